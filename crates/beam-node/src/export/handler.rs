//! What can handle calls: functions and closures of serializable arguments.

use beam_term::{DecodeError, RawTerm};
use serde::de::DeserializeOwned;

use crate::CallContext;

/// A function or closure that can be exported: of 0 to 12 arguments that serde can read, after a
/// [`CallContext`] if it takes one.
///
/// Async closures are handlers, too, unless they use what they capture: such a future borrows from
/// its closure, and could not outlive it.
///
/// ```compile_fail
/// # use beam_node::Export;
/// let greeting = String::from("hello");
/// Export::new("greeter", "hello", async move |name: String| format!("{greeting} {name}"));
/// ```
///
/// Clone what is captured instead, for each call:
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// use beam_node::Export;
///
/// let served = Arc::new(AtomicU64::new(0));
/// Export::new("counter", "add", move |n: u64| {
///     let served = Arc::clone(&served);
///     async move { served.fetch_add(n, Ordering::Relaxed) }
/// });
/// ```
///
/// `Args` stands for the types of the arguments, and is always inferred; for that, a closure has to
/// name them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be exported",
    label = "not a function of arguments that can be decoded",
    note = "a handler takes 0 to 12 arguments that implement `serde::de::DeserializeOwned`, \
            after a `CallContext` if it wants one",
    note = "arguments cannot be references: take a `String` instead of a `&str`",
    note = "it must be `Send`, `Sync` and `'static`"
)]
pub trait Handler<Args>: Send + Sync + 'static {
    /// How many arguments callers pass.
    const ARITY: usize;

    /// What it gives: a future, or the result itself in case of a blocking function.
    type Output;

    /// Calls it with the argument list of a caller.
    #[doc(hidden)]
    fn handle(
        &self,
        context: CallContext,
        arguments: &RawTerm,
    ) -> Result<Self::Output, DecodeError>;
}

/// Marks a handler that takes the [`CallContext`] before its arguments.
#[doc(hidden)]
#[derive(Debug)]
pub struct WithContext<Args>(std::marker::PhantomData<Args>);

macro_rules! handler {
    ($arity:literal: $($argument:ident),*) => {
        impl<F, Output, $($argument),*> Handler<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Output + Send + Sync + 'static,
            $($argument: DeserializeOwned,)*
        {
            const ARITY: usize = $arity;

            type Output = Output;

            fn handle(&self, _: CallContext, arguments: &RawTerm) -> Result<Output, DecodeError> {
                handler!(@call self, arguments; ; $($argument),*)
            }
        }

        impl<F, Output, $($argument),*> Handler<WithContext<($($argument,)*)>> for F
        where
            F: Fn(CallContext, $($argument),*) -> Output + Send + Sync + 'static,
            $($argument: DeserializeOwned,)*
        {
            const ARITY: usize = $arity;

            type Output = Output;

            fn handle(
                &self,
                context: CallContext,
                arguments: &RawTerm,
            ) -> Result<Output, DecodeError> {
                handler!(@call self, arguments; context,; $($argument),*)
            }
        }
    };
    // An empty list has no elements to read.
    (@call $self:ident, $arguments:ident; $($context:ident,)?;) => {{
        $arguments.reader().nil()?;
        Ok($self($($context)?))
    }};
    (@call $self:ident, $arguments:ident; $($context:ident,)?; $($argument:ident),+) => {{
        #[allow(non_snake_case)]
        let ($($argument,)+): ($($argument,)+) = $arguments.deserialize()?;
        Ok($self($($context,)? $($argument),+))
    }};
}

handler!(0:);
handler!(1: A);
handler!(2: A, B);
handler!(3: A, B, C);
handler!(4: A, B, C, D);
handler!(5: A, B, C, D, E);
handler!(6: A, B, C, D, E, G);
handler!(7: A, B, C, D, E, G, H);
handler!(8: A, B, C, D, E, G, H, I);
handler!(9: A, B, C, D, E, G, H, I, J);
handler!(10: A, B, C, D, E, G, H, I, J, K);
handler!(11: A, B, C, D, E, G, H, I, J, K, L);
handler!(12: A, B, C, D, E, G, H, I, J, K, L, M);
