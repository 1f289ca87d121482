"""What is known of Mixpanel: endpoints and limits, records, rules, insert ids, and the client that delivers."""
