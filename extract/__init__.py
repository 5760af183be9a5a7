"""Stage one: raw sign videos become RGB and pose stores."""
