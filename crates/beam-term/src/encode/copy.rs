//! Copying encoded terms, with their references to an atom cache resolved.

use bytes::BufMut;

use crate::{
    DecodeError, Reader, Token, Writer,
    decode::{Elements, Nesting, record_elements},
    tag,
};

impl Writer<'_> {
    /// Copies one term, in the forms that this writer uses.
    pub(crate) fn copy(&mut self, reader: &mut Reader) -> Result<(), DecodeError> {
        let mut nesting = Nesting::new(reader.limits().depth);
        // Open closures, each with the number of terms that are left to copy when it is complete.
        let mut closures = Vec::new();
        let mut more = true;
        while more {
            let around = nesting.claimed();
            let token = reader.token()?;
            if let Token::Closure { closure, free } = &token {
                closures.push((around, self.open_closure(closure, *free)));
            }
            let elements = self.copy_token(token);
            nesting.enter(elements, reader)?;
            while let Some((_, mark)) = closures.pop_if(|(left, _)| *left == nesting.claimed()) {
                self.close_closure(mark);
            }
            more = nesting.next();
        }
        Ok(())
    }

    /// Copies a scalar or the head of a container, and tells what follows.
    fn copy_token(&mut self, token: Token) -> Elements {
        let mut elements = Elements::of(0);
        match token {
            Token::Integer(value) => match value.as_i64() {
                Some(small) => self.integer(small),
                None => {
                    let (sign, digits) = value.to_bigint().to_bytes_le();
                    self.big_integer(sign, &digits);
                }
            },
            Token::Float(value) => self.float(value),
            Token::Atom(atom) => self.atom(&atom),
            Token::Reference(reference) => self.reference(&reference),
            Token::Export {
                module,
                function,
                arity,
            } => self.export(&module, &function, arity),
            Token::Closure { free, .. } => elements.count = free,
            Token::Port(port) => self.port(&port),
            Token::Pid(pid) => self.pid(&pid),
            Token::Tuple(arity) => {
                self.tuple(arity);
                elements.count = arity;
            }
            Token::Map(pairs) => {
                self.map(pairs);
                elements.count = 2 * pairs;
            }
            Token::Nil => self.nil(),
            Token::List(len) => {
                self.list(len);
                elements = Elements::of_list(len);
            }
            Token::String(bytes) => self.string_list(&bytes),
            Token::Binary(bytes) => self.shared_binary(&bytes),
            Token::BitString(bits) => self.bit_string(&bits),
            Token::Record { fields, exported } => {
                self.head(tag::RECORD_EXT, fields);
                self.buffer.put_u8(exported);
                elements.count = record_elements(fields);
            }
            Token::Local(bytes) => {
                self.buffer.put_u8(tag::LOCAL_EXT);
                self.keep(&bytes);
            }
        }
        elements
    }
}
