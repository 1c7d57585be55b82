//! A valid frame made after a recipe, then damaged.
#![no_main]

#[allow(dead_code, reason = "each target uses one of them")]
#[path = "../decoders.rs"]
mod decoders;
#[path = "../recipe.rs"]
mod recipe;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut recipe = recipe::Recipe::new(input);
    let frame = recipe.frame();
    decoders::whole(&frame, true);
    decoders::whole(&recipe.damaged(frame), false);
});
