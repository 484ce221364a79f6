"""AWS as it is, beside what is polled: sessions, credentials, clients, answers, and what its service models say."""
