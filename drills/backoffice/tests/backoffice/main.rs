//! The back office on a real PostgreSQL and a real FTP server: it does its work,
//! keeps tenants apart, can be made ill in the ways it says, and its export can
//! hang the way the outage needs.

mod export;
mod office;
mod pages;
