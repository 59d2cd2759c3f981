//! Requests to the group leader, and their answers.

use beam_term::{
    Atom, DecodeError, DecodeErrorKind, EncodeError, Pid, RawTerm, Reader, Term, Token, Writer,
};

use crate::group_leader::{
    chars::{self, Charset},
    format::{self, Style},
    text::{Stop, Text},
};

/// A request of a process that has this node's group leader: `{io_request, From, ReplyAs, Request}`.
#[derive(Debug)]
pub(crate) struct IoRequest {
    from: Pid,
    reply_as: RawTerm,
    request: RawTerm,
}

/// What is to be printed on a request, and what to answer.
#[derive(Debug, PartialEq)]
pub(crate) struct IoAnswer {
    pub(crate) text: String,
    /// Whether there was more text than the bound allows.
    pub(crate) is_cut: bool,
    pub(crate) reply: Term,
}

impl IoRequest {
    /// Takes a message apart; `None` if it is no request.
    pub(crate) fn read(message: &RawTerm) -> Option<Self> {
        let mut reader = message.reader();
        reader.tuple_of(4).ok()?;
        if reader.atom().ok()? != "io_request" {
            return None;
        }
        Some(Self {
            from: reader.pid().ok()?,
            reply_as: reader.raw().ok()?,
            request: reader.raw().ok()?,
        })
    }

    /// The process that waits for the answer.
    pub(crate) fn from(&self) -> &Pid {
        &self.from
    }

    /// Puts together what is to be printed, up to so many bytes, and the answer.
    ///
    /// Text that is cut off counts as printed: a function is not to fail because its caller shows
    /// only a part.
    pub(crate) fn answer(&self, limit_bytes: usize) -> IoAnswer {
        let mut text = Text::new(limit_bytes);
        let reply = match perform(&mut self.request.reader(), &mut text) {
            Ok(reply) => reply,
            Err(refused) => Term::tuple([Term::atom("error"), Term::Atom(refused.reason())]),
        };
        IoAnswer {
            is_cut: text.is_cut(),
            text: text.into_string(),
            reply,
        }
    }

    /// Writes the message that answers: `{io_reply, ReplyAs, Reply}`.
    pub(crate) fn write_reply(
        &self,
        reply: &Term,
        writer: &mut Writer<'_>,
    ) -> Result<(), EncodeError> {
        writer.tuple(3);
        writer.atom(&IO_REPLY);
        writer.raw(&self.reply_as)?;
        writer.term(reply)
    }
}

/// Why a request is not done.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// It is none that the protocol knows.
    Request,
    /// It is one that needs a terminal or an Erlang machine.
    Unsupported,
    /// What is to be printed is no text.
    Chars,
    /// Format and arguments do not fit each other.
    Format,
}

impl Refused {
    fn reason(self) -> Atom {
        Atom::from_static(match self {
            Self::Request => "request",
            Self::Unsupported => "enotsup",
            Self::Chars => "put_chars",
            Self::Format => "format",
        })
    }
}

impl From<DecodeError> for Refused {
    fn from(_: DecodeError) -> Self {
        Self::Request
    }
}

/// Does one request, which may hold others.
fn perform(reader: &mut Reader, text: &mut Text) -> Result<Term, Refused> {
    let ok = || Term::atom("ok");
    let arity = match reader.token()? {
        Token::Atom(request) if request == "getopts" => return Ok(options()),
        Token::Tuple(arity) => arity,
        _ => return Err(Refused::Request),
    };
    let request = reader.atom()?;
    match (request.as_str(), arity) {
        ("put_chars", 2) => put_chars(Charset::Latin1, reader, text).map(|()| ok()),
        ("put_chars", 3) => put_chars(charset(reader)?, reader, text).map(|()| ok()),
        ("put_chars", 4) => put_result(reader, text).map(|()| ok()),
        ("put_chars", 5) => {
            charset(reader)?;
            put_result(reader, text).map(|()| ok())
        }
        ("requests", 2) => {
            let mut last = ok();
            let requests = reader.list()?;
            for _ in 0..requests {
                last = perform(reader, text)?;
            }
            if requests > 0 {
                reader.nil()?;
            }
            Ok(last)
        }
        ("setopts", 2) => {
            let options = reader.raw()?;
            if options.encoded_len() > LONGEST_OPTIONS_BYTES {
                return Err(Refused::Unsupported);
            }
            set_options(&options.decode()?).map(|()| ok())
        }
        ("get_geometry", 2)
        | ("get_line" | "get_password", 2 | 3)
        | ("get_chars", 3 | 4)
        | ("get_until", 5 | 6) => Err(Refused::Unsupported),
        _ => Err(Refused::Request),
    }
}

fn put_chars(charset: Charset, reader: &mut Reader, text: &mut Text) -> Result<(), Refused> {
    let chars = reader.raw()?;
    put(text, Refused::Chars, |text| {
        chars::write(&chars, charset, text)
    })
}

/// Prints the result of a function, if it is one of those that `io` asks for.
fn put_result(reader: &mut Reader, text: &mut Text) -> Result<(), Refused> {
    let module = reader.atom()?;
    let function = reader.atom()?;
    let arguments = list(&reader.raw()?)?;
    if module != "io_lib" {
        return Err(Refused::Unsupported);
    }
    match (function.as_str(), &arguments[..]) {
        ("format" | "fwrite", [format, arguments] | [format, arguments, _]) => {
            let arguments = list(arguments)?;
            put(text, Refused::Format, |text| {
                format::format(format, &arguments, text)
            })
        }
        ("write", [term] | [term, _]) => put(text, Refused::Format, |text| {
            format::write_term(term, Style::Plain, text)
        }),
        ("print", [term] | [term, _, _, _]) => put(text, Refused::Format, |text| {
            format::write_term(term, Style::Latin1, text)
        }),
        ("nl", []) => put(text, Refused::Format, |text| text.push("\n")),
        _ => Err(Refused::Unsupported),
    }
}

/// Prints all or, if that cannot be, nothing.
fn put(
    text: &mut Text,
    refused: Refused,
    write: impl FnOnce(&mut Text) -> Result<(), Stop>,
) -> Result<(), Refused> {
    let before = text.as_str().len();
    match write(text) {
        Ok(()) | Err(Stop::Full) => Ok(()),
        Err(Stop::Invalid) => {
            text.truncate(before);
            Err(refused)
        }
    }
}

/// The elements of an argument list.
fn list(arguments: &RawTerm) -> Result<Vec<RawTerm>, Refused> {
    let mut elements = Vec::new();
    arguments.reader().for_each(|reader| {
        if elements.len() == MOST_ARGUMENTS {
            return Err(DecodeErrorKind::TooManyElements {
                limit: MOST_ARGUMENTS,
            }
            .into());
        }
        elements.push(reader.raw()?);
        Ok(())
    })?;
    Ok(elements)
}

/// How many arguments a format may have.
const MOST_ARGUMENTS: usize = 4_096;

/// How long a list of options may be.
const LONGEST_OPTIONS_BYTES: usize = 4_096;

fn charset(reader: &mut Reader) -> Result<Charset, Refused> {
    match reader.atom()?.as_str() {
        "unicode" => Ok(Charset::Unicode),
        "latin1" => Ok(Charset::Latin1),
        _ => Err(Refused::Request),
    }
}

/// What holds of the output, as OTP's own devices tell it.
fn options() -> Term {
    Term::list([
        Term::tuple([Term::atom("binary"), Term::atom("true")]),
        Term::tuple([Term::atom("encoding"), Term::atom("unicode")]),
    ])
}

/// Takes options that hold anyway, or that concern input only.
fn set_options(options: &Term) -> Result<(), Refused> {
    let is_fine = |option: &Term| match option {
        Term::Atom(option) => matches!(option.as_str(), "binary" | "list"),
        Term::Tuple(option) => match &option[..] {
            [Term::Atom(name), Term::Atom(value)] => matches!(
                (name.as_str(), value.as_str()),
                ("binary", _) | ("encoding", "unicode" | "utf8")
            ),
            _ => false,
        },
        _ => false,
    };
    match options.as_list() {
        Some(options) if options.iter().all(is_fine) => Ok(()),
        _ => Err(Refused::Unsupported),
    }
}

const IO_REPLY: Atom = Atom::from_static("io_reply");

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    const LIMIT: usize = 1_000;

    fn raw(term: &Term) -> RawTerm {
        RawTerm::serialize(term).unwrap()
    }

    fn parsed(term: &str) -> Term {
        term.parse().unwrap()
    }

    fn pid() -> Pid {
        Pid {
            node: Atom::from_static("peer@h"),
            id: 7,
            serial: 0,
            creation: 1,
        }
    }

    fn read(request: &str) -> IoRequest {
        let message = Term::tuple([
            Term::atom("io_request"),
            pid().into(),
            parsed("{reply, as}"),
            parsed(request),
        ]);
        IoRequest::read(&raw(&message)).unwrap()
    }

    fn answer(request: &str) -> (String, Term) {
        let answer = read(request).answer(LIMIT);
        assert!(!answer.is_cut);
        (answer.text, answer.reply)
    }

    fn printed(text: &str) -> (String, Term) {
        (text.to_owned(), Term::atom("ok"))
    }

    fn refused(reason: &'static str) -> (String, Term) {
        let reply = Term::tuple([Term::atom("error"), Term::atom(reason)]);
        (String::new(), reply)
    }

    #[test]
    fn text_is_printed_in_every_form_of_the_protocol() {
        // What `IO.puts/1`, `io:put_chars/1` and `io:nl/0` send.
        assert_eq!(
            answer(r#"{put_chars, unicode, <<"é\n"/utf8>>}"#),
            printed("é\n")
        );
        assert_eq!(
            answer(r#"{put_chars, unicode, [<<"a">>, 8364]}"#),
            printed("a€")
        );
        assert_eq!(answer(r#"{put_chars, unicode, "\n"}"#), printed("\n"));
        // What `IO.binwrite/1` sends.
        assert_eq!(answer("{put_chars, latin1, <<233>>}"), printed("é"));
        assert_eq!(answer("{put_chars, [233]}"), printed("é"));
    }

    #[test]
    fn formats_are_put_together_here() {
        // What `io:format/2` sends, also from OTP 29.
        assert_eq!(
            answer(r#"{put_chars, unicode, io_lib, format, ["x ~p~n", [1]]}"#),
            printed("x 1\n")
        );
        assert_eq!(
            answer(r#"{put_chars, unicode, io_lib, fwrite, ["~ts ~p", [<<"é"/utf8>>, "s"]]}"#),
            printed("é \"s\"")
        );
        assert_eq!(
            answer(r#"{put_chars, io_lib, format, [<<"~w">>, [{a, "b"}]]}"#),
            printed("{a,[98]}")
        );
        // What `io:write/1` sends.
        assert_eq!(
            answer("{put_chars, unicode, io_lib, write, [{a, <<98>>}]}"),
            printed("{a,<<98>>}")
        );
        assert_eq!(
            answer(r#"{put_chars, unicode, io_lib, print, [{a, "b"}]}"#),
            printed("{a,\"b\"}")
        );
    }

    #[test]
    fn requests_are_done_in_order_up_to_the_first_that_fails() {
        assert_eq!(
            answer(
                r#"{requests, [
                    {put_chars, unicode, <<"a">>},
                    {requests, [{put_chars, unicode, "b"}, {requests, []}]},
                    {put_chars, unicode, io_lib, format, ["~p", [1]]}
                ]}"#
            ),
            printed("ab1")
        );
        let (text, reply) = answer(
            r#"{requests, [{put_chars, unicode, "a"}, {get_line, unicode, ""}, {put_chars, "b"}]}"#,
        );
        assert_eq!((text.as_str(), reply), ("a", refused("enotsup").1));
        let (_, reply) = answer("{requests, [{put_chars, unicode, []}, getopts]}");
        assert_eq!(reply, options());
    }

    #[test]
    fn what_is_no_text_is_refused_and_not_printed_in_part() {
        assert_eq!(
            answer("{put_chars, unicode, <<255>>}"),
            refused("put_chars")
        );
        assert_eq!(
            answer(r#"{put_chars, latin1, ["a", 8364]}"#),
            refused("put_chars")
        );
        assert_eq!(
            answer(r#"{put_chars, unicode, io_lib, format, ["abc ~p ~d", [1, 2]]}"#),
            refused("format")
        );
        assert_eq!(
            answer(r#"{put_chars, unicode, io_lib, format, ["abc ~p", 1]}"#),
            refused("request")
        );
    }

    #[test]
    fn input_and_other_functions_are_not_supported() {
        for request in [
            r#"{get_line, unicode, "> "}"#,
            r#"{get_chars, unicode, "> ", 1}"#,
            r#"{get_until, unicode, "> ", io_lib, collect_line, []}"#,
            "{get_geometry, columns}",
            r#"{put_chars, unicode, os, cmd, ["ls"]}"#,
            "{put_chars, unicode, io_lib, chars, [97, 9]}",
            "{setopts, [{encoding, latin1}]}",
            "{setopts, [{echo, false}]}",
        ] {
            assert_eq!(answer(request), refused("enotsup"), "{request}");
        }
    }

    #[test]
    fn options_can_be_asked_for_and_set_to_what_they_are() {
        assert_eq!(
            answer("getopts").1,
            parsed("[{binary, true}, {encoding, unicode}]")
        );
        assert_eq!(
            answer("{setopts, [binary, {encoding, unicode}]}"),
            printed("")
        );
    }

    #[test]
    fn arguments_and_options_are_taken_up_to_a_bound() {
        let arguments = |count: usize| {
            let list = |element: &str| vec![element; count].join(",");
            let (format, values) = ("~i".repeat(count), list("1"));
            answer(&format!(
                r#"{{put_chars, unicode, io_lib, format, ["{format}", [{values}]]}}"#
            ))
        };
        assert_eq!(arguments(MOST_ARGUMENTS), printed(""));
        assert_eq!(arguments(MOST_ARGUMENTS + 1), refused("request"));

        // Each takes eight bytes, and the list itself six.
        let options = |count: usize| {
            let options = vec!["binary"; count].join(",");
            answer(&format!("{{setopts, [{options}]}}"))
        };
        let most = (LONGEST_OPTIONS_BYTES - 6) / 8;
        assert_eq!(options(most), printed(""));
        assert_eq!(options(most + 1), refused("enotsup"));
    }

    #[test]
    fn unknown_requests_are_refused_as_the_protocol_asks() {
        for request in [
            "hello",
            "{}",
            "{hello, 1}",
            "1",
            "{put_chars}",
            "{1, 2}",
            "{requests, 1}",
        ] {
            assert_eq!(answer(request), refused("request"), "{request}");
        }
    }

    #[test]
    fn text_beyond_the_bound_is_cut_and_counts_as_printed() {
        let cut = |request: &str| {
            let answer = read(request).answer(3);
            (answer.text, answer.is_cut, answer.reply)
        };
        let expected = |text: &str| (text.to_owned(), true, Term::atom("ok"));
        assert_eq!(cut(r#"{put_chars, unicode, <<"abcd">>}"#), expected("abc"));
        assert_eq!(
            cut(r#"{put_chars, unicode, io_lib, format, ["ab~p", [cd]]}"#),
            expected("abc")
        );
        let both = r#"{requests, [{put_chars, unicode, "abcd"}, {put_chars, unicode, "e"}]}"#;
        assert_eq!(cut(both), expected("abc"));
    }

    #[test]
    fn a_reply_goes_to_the_asker_as_it_wishes() {
        let request = read("getopts");
        assert_eq!(request.from(), &pid());
        let mut buffer = BytesMut::new();
        let reply = Term::atom("ok");
        request
            .write_reply(&reply, &mut Writer::new(&mut buffer))
            .unwrap();
        let message = Reader::new(buffer).term().unwrap();
        assert_eq!(message, parsed("{io_reply, {reply, as}, ok}"));
    }

    #[test]
    fn other_messages_are_no_requests() {
        for message in [
            "{io_reply, a, b}",
            "{io_request, a, b, getopts}",
            "{io_request, 1}",
            "hello",
            "{{}, b, c, d}",
        ] {
            assert!(
                IoRequest::read(&raw(&parsed(message))).is_none(),
                "{message}"
            );
        }
    }
}
