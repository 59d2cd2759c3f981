//! Terms of Erlang and Elixir: the External Term Format, serde, `phash2` and term syntax.
#![forbid(unsafe_code)]
