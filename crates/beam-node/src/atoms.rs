//! Atoms that go over the wire.

use beam_term::Atom;

macro_rules! atoms {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(pub(crate) const $name: Atom = Atom::from_static($text);)*
    };
}

atoms! {
    BADRPC = "badrpc",
    BADOPT = "badopt",
    BADARG = "badarg",
    ENOTSUP = "enotsup",
    ERPC = "erpc",
    EXECUTE_CALL = "execute_call",
    EXECUTE_CAST = "execute_cast",
    FEATURES_REPLY = "features_reply",
    GEN_CAST = "$gen_cast",
    IN_SYNC = "in_sync",
    NET_KERNEL = "net_kernel",
    NOCATCH = "nocatch",
    NORMAL = "normal",
    NOPROC = "noproc",
    NOT_ALLOWED = "not_allowed",
    REX = "rex",
    RETURN = "return",
    SCOPE = "rpc_load_balancer",
    SHUTDOWN = "shutdown",
    SYSTEM_LIMIT = "system_limit",
    TIMEOUT = "timeout",
    TRUE = "true",
    YES = "yes",
}
