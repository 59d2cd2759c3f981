//! Warnings that others can cause as often as they like.

use std::{
    collections::HashMap,
    fmt,
    mem::{Discriminant, discriminant},
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use beam_dist::{NodeName, handshake::HandshakeError};
use tokio::time::Instant;

use crate::{
    connect::{ConnectError, TlsError},
    strangers::source,
};

/// How long nothing more is said of the same matter.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets one warning pass in a while, or a few, and counts those in between.
#[derive(Debug)]
pub(crate) struct Seldom {
    /// How many pass in a while.
    few: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    passed: u32,
    left_out: u64,
}

impl Seldom {
    /// Lets so many pass in a while.
    pub(crate) fn few(few: u32) -> Self {
        Self {
            few,
            state: Mutex::default(),
        }
    }

    /// Whether to warn now; then how many warnings were left out since the last one.
    pub(crate) fn now(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.since.is_none_or(|since| now >= since + PAUSE) {
            state.since = Some(now);
            state.passed = 0;
        }
        if state.passed >= self.few {
            state.left_out += 1;
            return None;
        }
        state.passed += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

impl Default for Seldom {
    fn default() -> Self {
        Self::few(1)
    }
}

/// Lets one warning of each source pass in a while for each cause, and counts those in between, in bounded
/// memory.
///
/// A source is an address with a name that is claimed there. Those who take many addresses, names or
/// causes share what is let pass for all for whom there is no place.
#[derive(Debug, Default)]
pub(crate) struct SeldomBySource(Mutex<Sources>);

#[derive(Debug, Default)]
struct Sources {
    told: HashMap<Matter, Told>,
    /// Those for whom there was no place.
    rest: Option<Told>,
    /// What was left out of sources that are forgotten.
    forgotten: u64,
}

/// Of what is warned: the source, and the cause where several share a table.
type Matter = (IpAddr, Option<NodeName>, Option<Cause>);

/// Why a connection was refused, whoever it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cause {
    of: Discriminant<ConnectError>,
    in_handshake: Option<Discriminant<HandshakeError>>,
    in_tls: Option<Discriminant<TlsError>>,
}

impl From<&ConnectError> for Cause {
    fn from(reason: &ConnectError) -> Self {
        let (mut in_handshake, mut in_tls) = (None, None);
        match reason {
            ConnectError::Handshake(error) => in_handshake = Some(discriminant(error)),
            ConnectError::Tls { error, .. } => in_tls = Some(discriminant(error)),
            _ => {}
        }
        Self {
            of: discriminant(reason),
            in_handshake,
            in_tls,
        }
    }
}

/// When a source was warned of last, and how often it was not since then.
#[derive(Clone, Copy, Debug)]
struct Told {
    since: Instant,
    left_out: u64,
}

/// How many warnings were left out since the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Of the same source, for the same cause.
    same: u64,
    /// Of others of which nothing was told since.
    others: u64,
}

/// How many sources are told apart.
const SOURCES: usize = 64;

/// How many names and causes of one address are.
const NAMES: usize = 8;

impl SeldomBySource {
    /// Whether to warn now; then how many warnings were left out.
    pub(crate) fn now(
        &self,
        address: IpAddr,
        claimed: Option<&NodeName>,
        cause: Option<Cause>,
    ) -> Option<LeftOut> {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let matter = (source(address), claimed.cloned(), cause);
        let same = sources.now(matter, Instant::now())?;
        let others = std::mem::take(&mut sources.forgotten);
        Some(LeftOut { same, others })
    }

    /// The same where the source is a peer, wherever it is.
    pub(crate) fn now_of(&self, peer: &NodeName) -> Option<LeftOut> {
        self.now(Ipv4Addr::UNSPECIFIED.into(), Some(peer), None)
    }
}

impl Sources {
    fn now(&mut self, matter: Matter, now: Instant) -> Option<u64> {
        if let Some(told) = self.told.get_mut(&matter) {
            return told.again(now);
        }
        if !self.has_place(matter.0) {
            let forgotten = &mut self.forgotten;
            self.told.retain(|_, told| {
                let is_fresh = told.is_fresh(now);
                *forgotten += if is_fresh { 0 } else { told.left_out };
                is_fresh
            });
        }
        let first = Told {
            since: now,
            left_out: 0,
        };
        if self.has_place(matter.0) {
            self.told.insert(matter, first);
            return Some(0);
        }
        match &mut self.rest {
            Some(rest) => rest.again(now),
            rest @ None => {
                *rest = Some(first);
                Some(0)
            }
        }
    }

    fn has_place(&self, address: IpAddr) -> bool {
        let of_address = self.told.keys().filter(|(known, ..)| *known == address);
        self.told.len() < SOURCES && of_address.count() < NAMES
    }
}

impl Told {
    fn is_fresh(&self, now: Instant) -> bool {
        now < self.since + PAUSE
    }

    fn again(&mut self, now: Instant) -> Option<u64> {
        if self.is_fresh(now) {
            self.left_out += 1;
            return None;
        }
        self.since = now;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.same)?;
        match self.others {
            0 => Ok(()),
            others => write!(f, ", and {others} of others"),
        }
    }
}

/// What a node warns of, one matter each, so that none keeps another from being told.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    /// Peers with another cookie.
    pub(crate) authentication: Refusals,
    /// Peers that are on no list of names that may connect.
    pub(crate) names: Refusals,
    /// Addresses that are in no network from which peers may connect.
    pub(crate) networks: Refusals,
    /// Peers for which there is no room.
    pub(crate) peers: Refusals,
    /// Certificates that are not taken, and peers with TLS where there is none, or without.
    pub(crate) tls: Refusals,
    /// Nodes that cannot be peers: of old versions, or with the name of this one.
    pub(crate) unfit: Refusals,
    /// What is no node, and all else.
    pub(crate) connections: Refusals,
    /// Connections whose handshake took too long.
    pub(crate) late: SeldomBySource,
    /// Connections that made room for a newer one.
    pub(crate) evicted: SeldomBySource,
    /// Peers that may refuse this node for its certificate.
    pub(crate) own_host: Seldom,
    /// Peers that give no sign of life, which may be all at once, or one again and again.
    pub(crate) suspects: SeldomBySource,
    /// Callers that are on no list of those that may call.
    pub(crate) callers: Seldom,
    /// Calls beyond what is served.
    pub(crate) served: Seldom,
    pub(crate) payloads: Seldom,
    pub(crate) monitors: Seldom,
    pub(crate) mailboxes: Seldom,
    pub(crate) results: Seldom,
}

/// Connections that are refused for one matter, or for several of a kind.
#[derive(Debug)]
pub(crate) struct Refusals {
    pub(crate) warnings: SeldomBySource,
    pub(crate) events: Seldom,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            warnings: SeldomBySource::default(),
            events: Seldom::few(REFUSALS),
        }
    }
}

/// How many refused connections of one matter are told as events in a while: a tenth of those that a
/// listener may fall behind.
const REFUSALS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_warning_passes_in_a_while_and_tells_how_many_did_not() {
        let seldom = Seldom::default();
        assert_eq!(seldom.now(), Some(0));
        assert_eq!([seldom.now(), seldom.now()], [None, None]);
        tokio::time::advance(PAUSE).await;
        assert_eq!(seldom.now(), Some(2));
        assert_eq!(seldom.now(), None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(seldom.now(), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_may_pass_at_once() {
        let seldom = Seldom::few(2);
        assert_eq!(
            [seldom.now(), seldom.now(), seldom.now()],
            [Some(0), Some(0), None]
        );
        tokio::time::advance(PAUSE).await;
        assert_eq!(
            [seldom.now(), seldom.now(), seldom.now()],
            [Some(1), Some(0), None]
        );
    }

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn left_out(same: u64, others: u64) -> Option<LeftOut> {
        Some(LeftOut { same, others })
    }

    #[tokio::test(start_paused = true)]
    async fn each_source_is_warned_of_whatever_others_do() {
        let seldom = SeldomBySource::default();
        let name: NodeName = "a@h".parse().unwrap();
        for _ in 0..5 {
            seldom.now(address(1), None, None);
        }
        assert_eq!(seldom.now(address(2), None, None), left_out(0, 0));
        assert_eq!(seldom.now(address(1), Some(&name), None), left_out(0, 0));
        assert_eq!(seldom.now(address(1), Some(&name), None), None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(seldom.now(address(1), None, None), left_out(4, 0));
        assert_eq!(seldom.now(address(1), Some(&name), None), left_out(1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn each_cause_is_warned_of_whatever_else_a_source_does() {
        let seldom = SeldomBySource::default();
        let of_tls = |error| {
            let with = "10.0.0.1:9".to_owned();
            ConnectError::Tls { with, error }
        };
        let len = 1 << 16;
        let causes = [
            HandshakeError::OldVersion.into(),
            HandshakeError::TooLong { len }.into(),
            of_tls(TlsError::Expired),
            of_tls(TlsError::UnknownAuthority),
            ConnectError::AddressNotAllowed(address(1)),
        ];
        let told = |reason: &ConnectError| seldom.now(address(1), None, Some(reason.into()));
        for reason in &causes {
            assert_eq!(told(reason), left_out(0, 0), "{reason}");
            assert_eq!(told(reason), None, "{reason}");
        }
        // The same one, though not to the letter.
        assert_eq!(told(&HandshakeError::TooLong { len: len + 1 }.into()), None);
        tokio::time::advance(PAUSE).await;
        let told = causes.iter().map(told);
        let left_out: Vec<_> = told.map(|told| told.unwrap().same).collect();
        assert_eq!(left_out, [1, 2, 1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_take_many_names_or_addresses_are_told_of_together() {
        let seldom = SeldomBySource::default();
        let name = |number| format!("a{number}@h").parse::<NodeName>().unwrap();
        let names: Vec<_> = (0..50).map(name).collect();
        let told = |address, names: &[NodeName]| {
            let told = names
                .iter()
                .filter_map(|name| seldom.now(address, Some(name), None));
            told.count()
        };
        // As many as there are places for, and one for the rest.
        assert_eq!(told(address(1), &names), NAMES + 1);
        assert_eq!(told(address(2), &names), NAMES);
        let mut told_in_all = 2 * NAMES + 1;
        for last in 3..=255 {
            told_in_all += told(address(last), &names[..1]);
        }
        assert_eq!(told_in_all, SOURCES + 1);
        assert_eq!(seldom.0.lock().unwrap().told.len(), SOURCES);
        let missed = 50 * 2 + 253 - told_in_all as u64;

        // Nothing is forgotten that was left out.
        told(address(1), &names[..1]);
        tokio::time::advance(PAUSE).await;
        assert_eq!(
            seldom.now(address(9), Some(&name(60)), None),
            left_out(0, 1)
        );
        assert_eq!(seldom.0.lock().unwrap().told.len(), 1);
        let rest = seldom.0.lock().unwrap().rest.unwrap();
        assert_eq!(rest.left_out, missed);
        assert_eq!(left_out(2, 3).unwrap().to_string(), "2, and 3 of others");
    }
}
