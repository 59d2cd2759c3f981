//! How a function is offered to others.

use std::{fmt, future::Future, sync::Arc};

use beam_term::{RawTerm, Term};
use serde::Serialize;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    CallContext, Error, Exception, Function, Handler,
    allow::{self, NamePattern, Names},
    export::{
        entry::{Entry, Runner, Typed, encode},
        handling::{Handling, Report},
        outcome::{Failure, bad_arguments},
        thread,
    },
};

/// A function that others may call, under a module, a name and an arity.
///
/// Callers name it as they name any function of the BEAM: `erpc:call(Node, greeter, hello, [Name])`
/// in Erlang, `:erpc.call(node, :greeter, :hello, [name])` in Elixir. Functions that are not
/// exported cannot be called; the caller gets `undef`.
///
/// Arguments and results pass through serde; see the [module `serde`](beam_term::serde) of
/// `beam-term` for the terms that they become. A binary that is taken as a [`Term`] or a [`RawTerm`]
/// stays a slice of the message that it came in; other types copy it.
///
/// Whatever goes wrong is an exception at the caller, as
/// if an Erlang function had raised it:
///
/// | what | exception |
/// |---|---|
/// | arguments of other types | `error:badarg`, with the function and its arguments in the stack trace, and what is wrong in its `error_info` |
/// | a panic | `error:{panic, Message}` |
/// | a result that has no form as a term, such as a float that is not finite, or none that the caller's node knows | `error:{badreturn, Message}` |
///
/// A panic ends the call and nothing else. Where a program is built to abort on panic, it does.
#[derive(Clone)]
pub struct Export {
    module: String,
    name: String,
    arity: usize,
    runner: Arc<dyn Runner>,
    is_work: bool,
    ends_when_abandoned: bool,
    allowed_callers: Option<allow::List<NamePattern>>,
}

impl Export {
    /// An async function. `Ok(value)` and `Err(error)` reach the caller as `{ok, Value}` and
    /// `{error, Error}`.
    ///
    /// ```
    /// use beam_node::Export;
    ///
    /// let export = Export::new("greeter", "hello", async |name: String| format!("hello {name}"));
    /// assert_eq!(export.to_string(), "greeter:hello/1");
    /// ```
    pub fn new<Args: 'static, H>(module: impl AsRef<str>, name: impl AsRef<str>, handler: H) -> Self
    where
        H: Handler<Args>,
        H::Output: Future<Output: Serialize> + Send + 'static,
    {
        Self::asynchronous(module, name, handler, Ok)
    }

    /// An async function that raises: `Ok(value)` reaches the caller as the value, `Err(reason)` is
    /// raised there as `error:Reason`.
    ///
    /// ```
    /// use beam_node::Export;
    /// use beam_term::Atom;
    ///
    /// let export = Export::raising("math", "div", async |a: i64, b: i64| {
    ///     a.checked_div(b).ok_or(Atom::from_static("badarith"))
    /// });
    /// assert_eq!(export.to_string(), "math:div/2");
    /// ```
    pub fn raising<Args: 'static, H, T, E>(
        module: impl AsRef<str>,
        name: impl AsRef<str>,
        handler: H,
    ) -> Self
    where
        H: Handler<Args>,
        H::Output: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + 'static,
        E: Serialize + 'static,
    {
        Self::asynchronous(module, name, handler, |result| match result {
            Ok(value) => Ok(value),
            Err(reason) => match beam_term::to_term(&reason) {
                Ok(reason) => Err(Failure::Raised(reason)),
                Err(error) => Err(Failure::BadReturn(error)),
            },
        })
    }

    /// A function that keeps a core busy or blocks: it runs on a thread for that, among those that
    /// [`tokio::task::spawn_blocking`] starts. Its result reaches the caller as with [`Export::new`].
    ///
    /// Once it has begun it runs to its end, even if its process was ended by a signal or nobody waits
    /// for the answer any more; a long one should look at [`CallContext::is_cancelled`] now and then.
    /// It counts as a call that is served until then.
    ///
    /// ```
    /// use beam_node::Export;
    /// use bytes::Bytes;
    ///
    /// let export = Export::blocking("img", "invert", |image: Bytes| {
    ///     Bytes::from_iter(image.iter().map(|byte| !byte))
    /// });
    /// assert_eq!(export.to_string(), "img:invert/1");
    /// ```
    pub fn blocking<Args, H>(module: impl AsRef<str>, name: impl AsRef<str>, handler: H) -> Self
    where
        H: Handler<Args>,
        H::Output: Serialize,
    {
        let handler = Arc::new(handler);
        Self::with(
            module,
            name,
            H::ARITY,
            move |arguments: RawTerm, context| {
                let handler = Arc::clone(&handler);
                async move {
                    let held = context.hold();
                    // They may wait for a thread for long.
                    let arguments = arguments.compact();
                    let work = move || {
                        let _held = held;
                        if context.is_late() {
                            return Err(Failure::Late);
                        }
                        // Its task may not have come to tell.
                        if context.has_ended() {
                            return Err(Failure::Stopped);
                        }
                        match handler.handle(context, &arguments) {
                            Ok(value) => encode(&value),
                            Err(error) => Err(bad_arguments(error, arguments)),
                        }
                    };
                    // Where the call is ended before a thread was free for it, it never begins.
                    match AbortOnDropHandle::new(thread::run(work)).await {
                        Ok(result) => result,
                        Err(error) => match error.try_into_panic() {
                            Ok(payload) => Err(Failure::panicked(&*payload)),
                            Err(_stopped) => Err(Failure::Stopped),
                        },
                    }
                }
            },
        )
    }

    /// An async function of terms as they are, for what has no fixed types. It is called with
    /// `arity` arguments, at most 255.
    ///
    /// An exception without a stack trace is given one that names the function.
    ///
    /// ```
    /// use beam_node::{CallContext, Class, Exception, Export};
    /// use beam_term::Term;
    ///
    /// let export = Export::raw("lists", "reverse", 1, async |_: CallContext, arguments: Vec<Term>| {
    ///     match &arguments[..] {
    ///         [Term::List(list)] => Ok(Term::list(list.iter().rev().cloned())),
    ///         _ => Err(Exception {
    ///             class: Class::Error,
    ///             reason: Term::atom("function_clause"),
    ///             stack: Term::nil(),
    ///         }),
    ///     }
    /// });
    /// assert_eq!(export.to_string(), "lists:reverse/1");
    /// ```
    pub fn raw<F, O>(module: impl AsRef<str>, name: impl AsRef<str>, arity: u8, handler: F) -> Self
    where
        F: Fn(CallContext, Vec<Term>) -> O + Send + Sync + 'static,
        O: Future<Output = Result<Term, Exception>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self::with(
            module,
            name,
            arity.into(),
            move |arguments: RawTerm, context| {
                let handler = Arc::clone(&handler);
                async move {
                    if context.is_late() {
                        return Err(Failure::Late);
                    }
                    // Binaries among them hold on to the buffer that they came in.
                    let arguments = arguments.compact();
                    let terms = match arguments.deserialize() {
                        Ok(terms) => terms,
                        Err(error) => return Err(bad_arguments(error, arguments)),
                    };
                    drop(arguments);
                    handler(context, terms).await.map_err(Failure::Exception)
                }
            },
        )
    }

    /// How many arguments callers pass.
    pub fn arity(&self) -> usize {
        self.arity
    }

    /// The export as the registry keeps it; `bad_request` where a name is no atom.
    pub(super) fn into_entry(self) -> Result<Entry, Error> {
        let function = Function::try_from((&self.module, &self.name))
            .map_err(|error| Error::bad_request(format!("{self} cannot be exported: {error}")))?;
        let callers = self.allowed_callers.clone().transpose().map_err(|error| {
            Error::bad_request(format!("{self} cannot be exported: {}", error.message))
        })?;
        Ok(Entry {
            function,
            arity: self.arity,
            runner: self.runner,
            is_work: self.is_work,
            ends_when_abandoned: self.ends_when_abandoned,
            callers: callers.map(Names::new),
        })
    }

    /// Limits by name which nodes may call this function. Default: all that are connected. The node
    /// itself always may.
    ///
    /// The patterns are those of [`NodeBuilder::allow_peers`](crate::NodeBuilder::allow_peers): a whole
    /// name, in which each `*` stands for any characters, or a regular expression between slashes.
    /// One that matches is enough. Patterns of several calls add up, and with none at all nobody is
    /// allowed.
    ///
    /// Others are refused before anything of the function runs. On the BEAM `erpc:call` then raises
    /// `error:{erpc, not_allowed}`; here it is `bad_request` with
    /// [`Cause::Refused`](crate::Cause::Refused). A cast comes to nothing without a word, as casts do.
    ///
    /// ```
    /// use beam_node::Export;
    ///
    /// let export = Export::new("accounts", "delete", async |id: u64| id)
    ///     .allow_callers(["admin@10.0.0.7", "/^backoffice[0-9]+@/"]);
    /// # assert_eq!(export.arity(), 1);
    /// ```
    #[must_use]
    pub fn allow_callers(
        mut self,
        patterns: impl IntoIterator<Item: TryInto<NamePattern, Error: Into<Error>>>,
    ) -> Self {
        allow::add(&mut self.allowed_callers, patterns);
        self
    }

    /// Says that calls of this function are no work of anybody's, but questions that nodes ask each
    /// other by themselves: they do not count as [served](crate::Node::served), so that a node that
    /// stops does not wait for more of them, and keep no silent connection, see
    /// [`net_ticktime`](crate::NodeBuilder::net_ticktime).
    #[must_use]
    pub fn housekeeping(mut self) -> Self {
        self.is_work = false;
        self
    }

    /// Ends calls of this function when nobody waits for their answer any more: the caller dropped the
    /// call or its time is over, the [deadline](CallContext::deadline) has passed, or the connection
    /// to it is lost. Default: the function runs on to its end, as in OTP.
    ///
    /// The future of an async function is dropped where it waits for something the next time. So what
    /// it does between two `await`s is done as a whole, and what must not be left half done belongs
    /// into a task of its own. A blocking function that waits for a thread never begins; one that has
    /// begun is not interrupted, and finds [`CallContext::is_cancelled`] to be `true`. The call counts as
    /// served until nothing of it runs any more, or until the thread would have been free.
    ///
    /// Casts, whose end nobody waits for, run to it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use beam_node::Export;
    ///
    /// let export = Export::new("report", "build", async |pages: u32| {
    ///     for _ in 0..pages {
    ///         // Here it ends, if nobody wants the report any more.
    ///         tokio::time::sleep(Duration::from_millis(50)).await;
    ///     }
    ///     pages
    /// });
    /// let export = export.cancel_when_abandoned();
    /// ```
    #[must_use]
    pub fn cancel_when_abandoned(mut self) -> Self {
        self.ends_when_abandoned = true;
        self
    }

    /// An async handler, and how its output is reported.
    fn asynchronous<Args: 'static, H, T>(
        module: impl AsRef<str>,
        name: impl AsRef<str>,
        handler: H,
        report: Report<H::Output, T>,
    ) -> Self
    where
        H: Handler<Args>,
        H::Output: Future + Send + 'static,
        T: Serialize + 'static,
    {
        let handler = Arc::new(handler);
        Self::with(module, name, H::ARITY, move |arguments, context| {
            Handling::<Args, H, T>::new(&handler, arguments, context, report)
        })
    }

    fn with<C, T>(
        module: impl AsRef<str>,
        name: impl AsRef<str>,
        arity: usize,
        runner: impl Fn(RawTerm, CallContext) -> C + Send + Sync + 'static,
    ) -> Self
    where
        C: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Serialize + 'static,
    {
        Self {
            module: module.as_ref().to_owned(),
            name: name.as_ref().to_owned(),
            arity,
            runner: Arc::new(Typed(runner)),
            is_work: true,
            ends_when_abandoned: false,
            allowed_callers: None,
        }
    }
}

/// `module:name/arity`
impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.module, self.name, self.arity)
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Export({self})")
    }
}
