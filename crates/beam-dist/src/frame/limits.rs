//! What a peer may make this side hold.

/// Bounds on the frames of one link.
///
/// ```
/// use beam_dist::frame::FrameLimits;
///
/// let limits = FrameLimits {
///     message_bytes: 1024 * 1024,
///     ..FrameLimits::default()
/// };
/// assert_eq!(limits.sequences, 4096);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// The most bytes of one message, whether in one frame or in fragments, in either direction.
    /// Default: [`DEFAULT_MESSAGE_BYTES`](Self::DEFAULT_MESSAGE_BYTES).
    pub message_bytes: usize,
    /// The most messages of which some but not all fragments have arrived. Default:
    /// [`DEFAULT_SEQUENCES`](Self::DEFAULT_SEQUENCES).
    ///
    /// A node of OTP lets its processes take turns: of 500 calls that return 2 MB each, it has the
    /// results of more than 100 under way at a time.
    pub sequences: usize,
    /// The most bytes that have arrived of such messages, all of them taken together, with the
    /// headers that list their atoms. Default:
    /// [`DEFAULT_ASSEMBLY_BYTES`](Self::DEFAULT_ASSEMBLY_BYTES).
    pub assembly_bytes: usize,
}

impl FrameLimits {
    /// 256 MiB.
    pub const DEFAULT_MESSAGE_BYTES: usize = 256 * 1024 * 1024;
    /// 4,096.
    pub const DEFAULT_SEQUENCES: usize = 4096;
    /// 512 MiB.
    pub const DEFAULT_ASSEMBLY_BYTES: usize = 512 * 1024 * 1024;
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self {
            message_bytes: Self::DEFAULT_MESSAGE_BYTES,
            sequences: Self::DEFAULT_SEQUENCES,
            assembly_bytes: Self::DEFAULT_ASSEMBLY_BYTES,
        }
    }
}
