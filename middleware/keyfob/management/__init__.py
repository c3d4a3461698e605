"""What people and scripts do with keys: create, change, list, revoke; teams; the audit log; keyring rotation."""
