//! What a recorder promises, with the clock in our hand.
