"""AWS as it is, beside what is polled: sessions, clients, answers, and what its service models say."""
