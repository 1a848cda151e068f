//! The edge on real sockets: between clients that write what they like and instances that
//! answer what they like.

mod requests;
mod world;
