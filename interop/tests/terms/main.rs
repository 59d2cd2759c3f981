//! Terms, against what each release of OTP makes of them.
//!
//! Bytes and values travel as binaries over the node's control channel, so that every decoding and encoding under test is
//! one that the test itself asks for.

#![allow(clippy::unwrap_used)]

mod boundaries;
mod carried;
mod drawn;
mod elixir;
mod parts;
mod round_trip;

use interop::on_each_release;

use boundaries::{
    atoms_of_every_length_and_script_are_the_same,
    binaries_and_bit_strings_of_every_length_are_the_same, containers_nest_up_to_the_limit,
    floats_of_every_magnitude_are_the_same, identifiers_of_the_node_itself_are_the_same,
    improper_lists_are_the_same, integers_around_every_power_of_two_are_the_same,
    maps_of_every_size_are_the_same, only_integers_within_the_limit_decode,
    strings_of_every_length_are_the_same, the_two_zeros_hash_alike_and_differ_from_otp_27_on,
};
use carried::{
    closures_come_back_callable, exported_functions_come_back_callable,
    native_records_come_back_equal_and_in_order, terms_in_the_local_format_come_back_equal,
};
use drawn::{
    otp_decodes_our_encodings_to_the_same_terms, terms_are_printed_and_parsed_as_otp_does,
    terms_hash_as_in_otp, terms_order_as_in_otp, we_decode_every_form_of_otps_encodings,
};
use elixir::{
    elixir_structs_are_rust_structs, elixirs_own_structs_are_rust_structs,
    elixirs_tagged_values_are_rust_enums, elixirs_ways_to_say_things_are_taken,
};

on_each_release! {
    otp_decodes_our_encodings_to_the_same_terms,
    we_decode_every_form_of_otps_encodings,
    terms_are_printed_and_parsed_as_otp_does,
    terms_hash_as_in_otp,
    terms_order_as_in_otp,

    integers_around_every_power_of_two_are_the_same,
    only_integers_within_the_limit_decode,
    floats_of_every_magnitude_are_the_same,
    the_two_zeros_hash_alike_and_differ_from_otp_27_on,
    atoms_of_every_length_and_script_are_the_same,
    strings_of_every_length_are_the_same,
    improper_lists_are_the_same,
    binaries_and_bit_strings_of_every_length_are_the_same,
    maps_of_every_size_are_the_same,
    identifiers_of_the_node_itself_are_the_same,
    containers_nest_up_to_the_limit,

    exported_functions_come_back_callable,
    closures_come_back_callable,
    terms_in_the_local_format_come_back_equal,
    native_records_come_back_equal_and_in_order,

    elixir_structs_are_rust_structs,
    elixirs_own_structs_are_rust_structs,
    elixirs_tagged_values_are_rust_enums,
    elixirs_ways_to_say_things_are_taken,
}
