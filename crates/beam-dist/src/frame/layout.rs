//! What frames are made of.

/// How many bytes the length has that every frame begins with. It does not count itself.
pub(super) const LENGTH_BYTES: usize = size_of::<u32>();

/// Begins a distribution header, and an encoded term where there is none.
pub(super) const VERSION: u8 = 131;
/// Begins a frame without a distribution header.
pub(super) const PASS_THROUGH: u8 = 112;
/// The distribution header of a whole message.
pub(super) const DIST_HEADER: u8 = 68;
/// The distribution header of the first fragment of a message.
pub(super) const FIRST_FRAGMENT: u8 = 69;
/// What all further fragments begin with.
pub(super) const FRAGMENT: u8 = 70;

/// Ends a distribution header that refers to no atoms.
pub(super) const NO_ATOMS: u8 = 0;
