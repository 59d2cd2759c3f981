//! The numbers of the operations, by the names that the protocol gives them.

use beam_term::Reader;

use super::ControlDecodeError;

/// How a control message begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(super) operation: i64,
    /// How many elements the tuple has, the operation included.
    pub(super) elements: usize,
}

impl Head {
    #[inline]
    pub(crate) fn decode(reader: &mut Reader) -> Result<Self, ControlDecodeError> {
        Ok(Self {
            elements: reader.tuple()?,
            operation: reader.integer()?,
        })
    }

    /// Whether the last element of the tuple is the reason that newer forms send as the payload.
    #[inline]
    pub(crate) fn has_reason_inside(self) -> bool {
        matches!(
            self.operation,
            EXIT | EXIT_TT | EXIT2 | EXIT2_TT | MONITOR_P_EXIT
        )
    }
}

pub(super) const LINK: i64 = 1;
pub(super) const SEND: i64 = 2;
pub(super) const EXIT: i64 = 3;
pub(super) const UNLINK: i64 = 4;
pub(super) const NODE_LINK: i64 = 5;
pub(super) const REG_SEND: i64 = 6;
pub(super) const GROUP_LEADER: i64 = 7;
pub(super) const EXIT2: i64 = 8;
pub(super) const SEND_TT: i64 = 12;
pub(super) const EXIT_TT: i64 = 13;
pub(super) const REG_SEND_TT: i64 = 16;
pub(super) const EXIT2_TT: i64 = 18;
pub(super) const MONITOR_P: i64 = 19;
pub(super) const DEMONITOR_P: i64 = 20;
pub(super) const MONITOR_P_EXIT: i64 = 21;
pub(super) const SEND_SENDER: i64 = 22;
pub(super) const SEND_SENDER_TT: i64 = 23;
pub(super) const PAYLOAD_EXIT: i64 = 24;
pub(super) const PAYLOAD_EXIT_TT: i64 = 25;
pub(super) const PAYLOAD_EXIT2: i64 = 26;
pub(super) const PAYLOAD_EXIT2_TT: i64 = 27;
pub(super) const PAYLOAD_MONITOR_P_EXIT: i64 = 28;
pub(super) const SPAWN_REQUEST: i64 = 29;
pub(super) const SPAWN_REQUEST_TT: i64 = 30;
pub(super) const SPAWN_REPLY: i64 = 31;
pub(super) const SPAWN_REPLY_TT: i64 = 32;
pub(super) const ALIAS_SEND: i64 = 33;
pub(super) const ALIAS_SEND_TT: i64 = 34;
pub(super) const UNLINK_ID: i64 = 35;
pub(super) const UNLINK_ID_ACK: i64 = 36;
pub(super) const ALTACT_SIG_SEND: i64 = 37;

/// How many elements the tuple of an operation has, the operation included; `None` for an operation
/// that is not known. [`ALTACT_SIG_SEND`] may have more.
pub(super) fn elements(operation: i64) -> Option<usize> {
    Some(match operation {
        NODE_LINK => 1,
        LINK | SEND | UNLINK | GROUP_LEADER | SEND_SENDER | PAYLOAD_EXIT | PAYLOAD_EXIT2
        | ALIAS_SEND => 3,
        EXIT
        | REG_SEND
        | EXIT2
        | SEND_TT
        | MONITOR_P
        | DEMONITOR_P
        | SEND_SENDER_TT
        | PAYLOAD_EXIT_TT
        | PAYLOAD_EXIT2_TT
        | PAYLOAD_MONITOR_P_EXIT
        | ALIAS_SEND_TT
        | UNLINK_ID
        | UNLINK_ID_ACK
        | ALTACT_SIG_SEND => 4,
        EXIT_TT | REG_SEND_TT | EXIT2_TT | MONITOR_P_EXIT | SPAWN_REPLY => 5,
        SPAWN_REQUEST | SPAWN_REPLY_TT => 6,
        SPAWN_REQUEST_TT => 7,
        _ => return None,
    })
}
