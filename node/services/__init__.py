"""What an institution does: one service a capability, independent of each other."""
