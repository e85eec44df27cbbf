//! A client against a scripted server, in virtual time.

mod flow;
mod hostile;
mod reconnect;
mod room;
mod typha;
