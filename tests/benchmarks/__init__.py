"""What the watcher costs and how quick it is, beside plain loops over the same client: `make bench`.

Every measured thing is a process of its own, so that its processor time is its alone, and so is the stand-in for AWS
that answers it. What is compared takes turns in one sitting, and is compared turn by turn.
"""
