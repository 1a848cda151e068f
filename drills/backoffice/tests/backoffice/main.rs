//! The back office on a real PostgreSQL and a real FTP server: it does its work,
//! keeps tenants apart, ends and starts as front ends do, can be made ill in the ways it says, and its export can
//! hang the way the outage needs.

mod export;
mod front_end;
mod office;
mod pages;
