//! Names of functions, and the arguments of a call.

use std::fmt;

use beam_term::{Atom, EncodeError, InvalidAtom, Term, Writer};
use serde::Serialize;

use crate::Error;

/// A function by module and name; the arity follows from the arguments of each call.
///
/// Elixir modules carry their full name: `("Elixir.String", "upcase")`.
///
/// ```
/// use beam_node::Function;
///
/// let function = Function::try_from(("Elixir.String", "upcase"))?;
/// assert_eq!(function.to_string(), "'Elixir.String':upcase");
/// # Ok::<(), beam_term::InvalidAtom>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function {
    /// The module.
    pub module: Atom,
    /// The name of the function in its module.
    pub name: Atom,
}

impl Function {
    /// The function that an argument of a call names.
    ///
    /// # Errors
    ///
    /// `bad_request` when a name is no atom.
    pub fn parse(function: impl TryInto<Self, Error: fmt::Display>) -> Result<Self, Error> {
        function
            .try_into()
            .map_err(|error| Error::bad_request(format!("wrong name of a function: {error}")))
    }
}

impl<M: AsRef<str>, N: AsRef<str>> TryFrom<(M, N)> for Function {
    type Error = InvalidAtom;

    fn try_from((module, name): (M, N)) -> Result<Self, InvalidAtom> {
        Ok(Self {
            module: Atom::try_from(module.as_ref())?,
            name: Atom::try_from(name.as_ref())?,
        })
    }
}

impl TryFrom<&Self> for Function {
    type Error = InvalidAtom;

    fn try_from(function: &Self) -> Result<Self, InvalidAtom> {
        Ok(function.clone())
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}",
            Term::Atom(self.module.clone()),
            Term::Atom(self.name.clone())
        )
    }
}

/// The arguments of a call: a tuple of up to twelve serializable values, `()` for none, a
/// `Vec<Term>`, or a reference to one of these.
///
/// They are encoded once, as one Erlang list, straight into the outgoing buffer of the link. Large
/// binaries go to the socket from where they are if they are a [`Binary`](beam_term::Binary), or part
/// of a [`Term`]; other bytes and texts are copied once.
pub trait Arguments: Send + Sync {
    /// How many arguments there are.
    fn arity(&self) -> usize;

    /// Writes the argument list.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] where a value has no form as a term, such as a float that is not finite.
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError>;
}

impl Arguments for () {
    fn arity(&self) -> usize {
        0
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.nil();
        Ok(())
    }
}

impl Arguments for Vec<Term> {
    fn arity(&self) -> usize {
        self.len()
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        if !self.is_empty() {
            writer.list(self.len());
            for term in self {
                writer.term(term)?;
            }
        }
        writer.nil();
        Ok(())
    }
}

impl<A: Arguments + ?Sized> Arguments for &A {
    fn arity(&self) -> usize {
        (**self).arity()
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        (**self).encode(writer)
    }
}

impl<A: Arguments + ?Sized> Arguments for std::sync::Arc<A> {
    fn arity(&self) -> usize {
        (**self).arity()
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        (**self).encode(writer)
    }
}

macro_rules! tuple_arguments {
    ($count:literal: $($type:ident . $index:tt),+) => {
        impl<$($type: Serialize + Send + Sync),+> Arguments for ($($type,)+) {
            fn arity(&self) -> usize {
                $count
            }

            fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                writer.list($count);
                $(writer.serialize(&self.$index)?;)+
                writer.nil();
                Ok(())
            }
        }
    };
}

tuple_arguments!(1: A.0);
tuple_arguments!(2: A.0, B.1);
tuple_arguments!(3: A.0, B.1, C.2);
tuple_arguments!(4: A.0, B.1, C.2, D.3);
tuple_arguments!(5: A.0, B.1, C.2, D.3, E.4);
tuple_arguments!(6: A.0, B.1, C.2, D.3, E.4, F.5);
tuple_arguments!(7: A.0, B.1, C.2, D.3, E.4, F.5, G.6);
tuple_arguments!(8: A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7);
tuple_arguments!(9: A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8);
tuple_arguments!(10: A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9);
tuple_arguments!(11: A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9, K.10);
tuple_arguments!(12: A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9, K.10, L.11);
