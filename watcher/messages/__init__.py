"""What people read: one message for one event, or for the effects of one cause on many targets. Pure.

    events ──► compose (the message) ──► plain (mail, chat) or blocks (Slack), or a user's own template

Text from AWS is one sanitized line before it is part of a message, and each renderer escapes what its receiver would
act on.
"""
