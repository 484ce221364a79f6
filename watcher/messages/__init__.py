"""What a person reads of events: one message for one event, or for what one cause did to many targets. Pure.

    events ──► story (what to say) ──► plain (mail, chat) or blocks (Slack), or a template of the user's own

Whatever AWS says is one clean line before it is part of a message (`clean`), and each renderer sees to it that nothing
in it is acted on where it goes.
"""
