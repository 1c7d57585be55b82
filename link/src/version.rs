//! Two ends without a version in common: each tells the other what it speaks, and both say so
//! (protocol R 1.10).

use crate::{Error, Identity, endpoint::close};
use egret_wire::version::Versions;
use quinn::Connection;
use std::{io, time::Duration};

/// Time to tell each other: one round trip. Who has not done so by then does not know how.
const TELL: Duration = Duration::from_secs(1);

/// Which end of a link this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Dialer,
    Acceptor,
}

/// Ends a link that agreed on no version, and says what both ends speak.
pub(crate) async fn strangers(
    connection: &Connection,
    whom: Identity,
    ours: Versions,
    side: Side,
) -> Error {
    let told = tokio::time::timeout(TELL, async {
        let theirs = tell(connection, ours, side).await;
        if side == Side::Acceptor {
            // The dialer closes, once it has read: closing here would take the words with it.
            connection.closed().await;
        }
        theirs
    });
    let theirs = told.await.ok().and_then(Result::ok);
    let error = Error::Versions { whom, peer: connection.remote_address(), ours, theirs };
    connection.close(close::REFUSED, error.to_string().as_bytes());
    error
}

async fn tell(connection: &Connection, ours: Versions, side: Side) -> io::Result<Versions> {
    let (mut send, mut receive) = match side {
        Side::Dialer => connection.open_bi().await?,
        Side::Acceptor => connection.accept_bi().await?,
    };
    send.write_all(&ours.encode()).await?;
    // Fails only if the stream is gone; then nothing can be read either.
    let _ = send.finish();
    let mut theirs = [0; 2];
    receive.read_exact(&mut theirs).await.map_err(io::Error::other)?;
    Ok(Versions::decode(theirs))
}
