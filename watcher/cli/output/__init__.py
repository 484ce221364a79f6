"""What commands print: tables for people, JSON for programs. Text from outside cannot forge a line of it."""
