//! What callers present, real and forged, and what is made of it. All keys are made here.

mod attacks;
mod caching;
mod certificates;
mod fetching;
mod keys;
mod taken;
mod times;
mod world;
