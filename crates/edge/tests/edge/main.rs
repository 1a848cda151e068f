//! The edge on real sockets: between clients that write what they like and instances that
//! answer what they like.

mod acme;
mod bounds;
mod control;
mod faults;
mod foreign;
mod foreign_http2;
mod http2;
mod pages;
mod reading;
mod requests;
mod smuggling;
mod world;
