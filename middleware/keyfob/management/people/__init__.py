"""People: who they are, how they sign in, what becomes of them and of their keys when they leave."""
