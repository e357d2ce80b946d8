"""Everything that touches the world: keys, SQL, RPC, HTTP. One institution's view."""
