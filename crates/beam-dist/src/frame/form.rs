//! The forms that frames have, by what was negotiated.

use crate::Flags;

/// How frames look on a link. A peer that sends another form did not mean what it said in the
/// handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// No header, and each term begins with its version.
    PassThrough,
    /// A distribution header, and terms without a version.
    Header {
        /// Whether headers refer to an atom cache.
        cache: bool,
        /// Whether messages come in fragments.
        fragments: bool,
    },
}

impl Form {
    pub(super) fn new(negotiated: Flags) -> Self {
        let cache = negotiated.contains(Flags::DIST_HDR_ATOM_CACHE);
        let fragments = negotiated.contains(Flags::FRAGMENTS);
        if cache || fragments {
            Self::Header { cache, fragments }
        } else {
            Self::PassThrough
        }
    }

    pub(super) fn versioned_terms(self) -> bool {
        self == Self::PassThrough
    }

    pub(super) fn atom_cache(self) -> bool {
        matches!(self, Self::Header { cache: true, .. })
    }

    pub(super) fn fragments(self) -> bool {
        matches!(
            self,
            Self::Header {
                fragments: true,
                ..
            }
        )
    }
}
