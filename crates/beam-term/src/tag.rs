//! The tags of the External Term Format, by OTP's names (ERTS User's Guide, "External Term Format").

/// Stands before every term outside a distribution message.
pub(crate) const VERSION: u8 = 131;

pub(crate) const COMPRESSED: u8 = 80;

pub(crate) const SMALL_INTEGER_EXT: u8 = 97;
pub(crate) const INTEGER_EXT: u8 = 98;
pub(crate) const SMALL_BIG_EXT: u8 = 110;
pub(crate) const LARGE_BIG_EXT: u8 = 111;

/// A float as text; obsolete.
pub(crate) const FLOAT_EXT: u8 = 99;
pub(crate) const NEW_FLOAT_EXT: u8 = 70;

pub(crate) const ATOM_CACHE_REF: u8 = 82;
/// Latin-1; obsolete.
pub(crate) const ATOM_EXT: u8 = 100;
/// Latin-1; obsolete.
pub(crate) const SMALL_ATOM_EXT: u8 = 115;
pub(crate) const ATOM_UTF8_EXT: u8 = 118;
pub(crate) const SMALL_ATOM_UTF8_EXT: u8 = 119;

/// One word; obsolete.
pub(crate) const REFERENCE_EXT: u8 = 101;
/// With a creation of 8 bits; obsolete.
pub(crate) const NEW_REFERENCE_EXT: u8 = 114;
pub(crate) const NEWER_REFERENCE_EXT: u8 = 90;

/// With a creation of 8 bits; obsolete.
pub(crate) const PORT_EXT: u8 = 102;
pub(crate) const NEW_PORT_EXT: u8 = 89;
pub(crate) const V4_PORT_EXT: u8 = 120;

/// With a creation of 8 bits; obsolete.
pub(crate) const PID_EXT: u8 = 103;
pub(crate) const NEW_PID_EXT: u8 = 88;

pub(crate) const SMALL_TUPLE_EXT: u8 = 104;
pub(crate) const LARGE_TUPLE_EXT: u8 = 105;
pub(crate) const MAP_EXT: u8 = 116;
pub(crate) const NIL_EXT: u8 = 106;
pub(crate) const STRING_EXT: u8 = 107;
pub(crate) const LIST_EXT: u8 = 108;
pub(crate) const BINARY_EXT: u8 = 109;
pub(crate) const BIT_BINARY_EXT: u8 = 77;
pub(crate) const EXPORT_EXT: u8 = 113;
pub(crate) const NEW_FUN_EXT: u8 = 112;

/// A native record, from OTP 29 on.
pub(crate) const RECORD_EXT: u8 = 67;
pub(crate) const LOCAL_EXT: u8 = 121;
