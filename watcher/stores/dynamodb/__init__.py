"""State in one DynamoDB table, for watchers that come and go: any number of them at once."""
