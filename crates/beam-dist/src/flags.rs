//! Capabilities that nodes announce to each other.

use std::fmt;

use bitflags::bitflags;

bitflags! {
    /// What a node can do, as it says in the handshake: the `DFLAG_…` of OTP's `dist.hrl`, releases
    /// 25 to 29.
    ///
    /// What two nodes may use on a link is what both announced: [`Flags::negotiate`]. Bits without
    /// a name here are kept, so that a message decodes and encodes to the same bytes.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Flags: u64 {
        /// The node shows in the other's `nodes()`. Not set: a hidden node.
        const PUBLISHED = 1 << 0;
        /// The oldest atom cache, of no use to anyone since R12.
        const ATOM_CACHE = 1 << 1;
        /// References of more than one word. Mandatory.
        const EXTENDED_REFERENCES = 1 << 2;
        /// Monitors of processes. Without it the end of a monitored process is not reported.
        const DIST_MONITOR = 1 << 3;
        /// Funs have a tag of their own. Mandatory.
        const FUN_TAGS = 1 << 4;
        /// Monitors of registered names.
        const DIST_MONITOR_NAME = 1 << 5;
        /// The oldest atom cache, between hidden nodes.
        const HIDDEN_ATOM_CACHE = 1 << 6;
        /// `NEW_FUN_EXT`. Mandatory.
        const NEW_FUN_TAGS = 1 << 7;
        /// Pids and ports with wide serials. Mandatory.
        const EXTENDED_PIDS_PORTS = 1 << 8;
        /// `EXPORT_EXT`, as in `fun m:f/1`. Mandatory.
        const EXPORT_PTR_TAG = 1 << 9;
        /// `BIT_BINARY_EXT`. Mandatory.
        const BIT_BINARIES = 1 << 10;
        /// `NEW_FLOAT_EXT`. Mandatory.
        const NEW_FLOATS = 1 << 11;
        /// The I/O protocol carries Unicode.
        const UNICODE_IO = 1 << 12;
        /// Headers of messages refer to atoms in a cache of the link.
        const DIST_HDR_ATOM_CACHE = 1 << 13;
        /// `SMALL_ATOM_EXT` and `SMALL_ATOM_UTF8_EXT`.
        const SMALL_ATOM_TAGS = 1 << 14;
        /// Atoms are UTF-8. Mandatory.
        const UTF8_ATOMS = 1 << 16;
        /// `MAP_EXT`. Mandatory.
        const MAP_TAG = 1 << 17;
        /// Creations have 32 bits. Mandatory.
        const BIG_CREATION = 1 << 18;
        /// A sent message says who sent it (`SEND_SENDER`).
        const SEND_SENDER = 1 << 19;
        /// Any term may label a trace.
        const BIG_SEQTRACE_LABELS = 1 << 20;
        /// The reason of an exit or of a `DOWN` is a payload, not part of the control message.
        const EXIT_PAYLOAD = 1 << 22;
        /// Long messages are sent in fragments.
        const FRAGMENTS = 1 << 23;
        /// The handshake of version 6. Mandatory.
        const HANDSHAKE_23 = 1 << 24;
        /// Unlinking is acknowledged. Mandatory since OTP 26.
        const UNLINK_ID = 1 << 25;
        /// Stands for all of [`Flags::MANDATORY_25`].
        const MANDATORY_25_DIGEST = 1 << 26;
        /// Spawning by request and reply (`SPAWN_REQUEST`), on which `erpc` is built.
        const SPAWN = 1 << 32;
        /// From the connecting node: it has no name and asks for one. From the other: it gave one.
        const NAME_ME = 1 << 33;
        /// `V4_PORT_EXT`, and pids and references of version 4. Mandatory since OTP 26.
        const V4_NC = 1 << 34;
        /// Process aliases.
        const ALIAS = 1 << 35;
        /// Sends to aliases and alternative actions share one control message. Since OTP 28.
        const ALTACT_SIG = 1 << 37;
        /// Native records. Since OTP 29.
        const NATIVE_RECORDS = 1 << 38;
    }
}

impl Flags {
    /// What OTP 25 demands of a peer, and what [`Flags::MANDATORY_25_DIGEST`] stands for.
    pub const MANDATORY_25: Self = Self::EXTENDED_REFERENCES
        .union(Self::FUN_TAGS)
        .union(Self::EXTENDED_PIDS_PORTS)
        .union(Self::NEW_FUN_TAGS)
        .union(Self::EXPORT_PTR_TAG)
        .union(Self::BIT_BINARIES)
        .union(Self::NEW_FLOATS)
        .union(Self::UTF8_ATOMS)
        .union(Self::MAP_TAG)
        .union(Self::BIG_CREATION)
        .union(Self::HANDSHAKE_23);

    /// What OTP 26 and later demand of a peer; OTP 25 has all of it.
    pub const MANDATORY_26: Self = Self::MANDATORY_25.union(Self::V4_NC).union(Self::UNLINK_ID);

    /// What this crate can do and announces, for a node that shows in `nodes()` or for a hidden
    /// one.
    ///
    /// `FRAGMENTS` and `EXIT_PAYLOAD` are set together. Without fragments one long message blocks
    /// the link for all others; with them but without exit payloads a long exit reason sits in the
    /// control message, which is then cut itself.
    pub const fn for_node(visible: bool) -> Self {
        let hidden = Self::MANDATORY_26
            .union(Self::MANDATORY_25_DIGEST)
            .union(Self::DIST_MONITOR)
            .union(Self::DIST_MONITOR_NAME)
            .union(Self::UNICODE_IO)
            .union(Self::DIST_HDR_ATOM_CACHE)
            .union(Self::SMALL_ATOM_TAGS)
            .union(Self::SEND_SENDER)
            .union(Self::BIG_SEQTRACE_LABELS)
            .union(Self::EXIT_PAYLOAD)
            .union(Self::FRAGMENTS)
            .union(Self::SPAWN)
            .union(Self::ALIAS)
            .union(Self::ALTACT_SIG)
            .union(Self::NATIVE_RECORDS);

        if visible {
            hidden.union(Self::PUBLISHED)
        } else {
            hidden
        }
    }

    /// What a link between nodes that announced `self` and `peer` may use.
    pub const fn negotiate(self, peer: Self) -> Self {
        self.expanded().intersection(peer.expanded())
    }

    /// What a peer that announced these lacks of what this crate demands: [`Flags::MANDATORY_26`].
    pub const fn missing_mandatory(self) -> Self {
        Self::MANDATORY_26.difference(self.expanded())
    }

    /// With all that the digest flag stands for.
    const fn expanded(self) -> Self {
        if self.contains(Self::MANDATORY_25_DIGEST) {
            self.union(Self::MANDATORY_25)
        } else {
            self
        }
    }
}

/// The names, separated by bars; unnamed bits as a number.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bitflags::parser::to_writer(self, f)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#x})", self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a visible node of OTP 25 announces.
    const OTP_25: Flags = Flags::from_bits_retain(0xd_07df_7fbd);

    #[test]
    fn every_flag_that_otp_25_announces_is_announced_here() {
        assert!(Flags::for_node(true).contains(OTP_25));
        assert_eq!(
            Flags::for_node(true) - OTP_25,
            Flags::ALTACT_SIG | Flags::NATIVE_RECORDS
        );
        assert_eq!(
            Flags::for_node(true) - Flags::for_node(false),
            Flags::PUBLISHED
        );
    }

    #[test]
    fn the_digest_flag_stands_for_the_mandatory_set_of_otp_25() {
        let digest = Flags::MANDATORY_25_DIGEST | Flags::V4_NC | Flags::UNLINK_ID;

        assert_eq!(digest.missing_mandatory(), Flags::empty());
        assert!(
            Flags::for_node(false)
                .negotiate(digest)
                .contains(Flags::MANDATORY_26)
        );
    }

    #[test]
    fn missing_mandatory_flags_are_named() {
        let missing = (OTP_25 - Flags::MANDATORY_25_DIGEST - Flags::V4_NC - Flags::MAP_TAG)
            .missing_mandatory();

        assert_eq!(missing.to_string(), "MAP_TAG | V4_NC");
    }

    #[test]
    fn a_link_uses_only_what_both_sides_announced() {
        let negotiated = Flags::for_node(false).negotiate(OTP_25);

        assert!(!negotiated.contains(Flags::PUBLISHED));
        assert!(!negotiated.contains(Flags::ALTACT_SIG));
        assert!(negotiated.contains(Flags::SPAWN | Flags::FRAGMENTS | Flags::EXIT_PAYLOAD));
    }

    #[test]
    fn bits_that_only_the_runtime_system_uses_have_no_name() {
        for internal in [15, 21, 27, 36] {
            assert!(!Flags::all().contains(Flags::from_bits_retain(1 << internal)));
        }
    }
}
