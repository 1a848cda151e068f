//! What the public is told, apart from the ways it is told on: the page in `web`, and
//! whatever else says the same.

pub mod words;
