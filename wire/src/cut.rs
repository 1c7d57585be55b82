//! Cuts frames out of a byte stream that arrives in chunks (protocol section 3).
//!
//! A stream manager forwards the chunks as they came; only a header that straddles two is copied.

use crate::{
    Malformed,
    header::{HEADER, Header},
    limits,
    version::Versions,
};
use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// A whole frame, header included, in the pieces that it arrived in.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its header, decoded.
    pub header: Header,
    /// Its bytes.
    pub parts: SmallVec<[Bytes; 2]>,
}

impl Frame {
    /// A frame that is in one piece.
    pub fn whole(bytes: Bytes) -> Result<Frame, Malformed> {
        let head = bytes.first_chunk::<HEADER>().ok_or(Malformed::Truncated("a header"))?;
        let header = Header::decode(head)?;
        if header.frame_len() != bytes.len() {
            return Err(Malformed::Truncated("a frame"));
        }
        Ok(Frame { header, parts: SmallVec::from_iter([bytes]) })
    }

    /// A frame without a payload.
    pub fn mark(header: Header) -> Frame {
        let bytes = Bytes::copy_from_slice(&header.encode());
        Frame { header, parts: SmallVec::from_iter([bytes]) }
    }

    /// Bytes of the frame, header included.
    pub fn len(&self) -> usize {
        self.header.frame_len()
    }

    /// Never: a frame has a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The frame's payload in one piece, copied if it arrived in several.
    pub fn payload(&self) -> Bytes {
        if let [whole] = &self.parts[..] {
            return whole.slice(HEADER..);
        }
        let mut bytes = BytesMut::with_capacity(self.len());
        self.parts.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes.freeze().slice(HEADER..)
    }
}

/// Collects chunks and yields frames.
#[derive(Debug)]
pub struct Cutter {
    versions: Versions,
    chunks: VecDeque<Bytes>,
    held: usize,
    header: Option<Header>,
}

impl Default for Cutter {
    fn default() -> Cutter {
        Cutter::speaking(limits::VERSIONS)
    }
}

impl Cutter {
    /// That of a build that speaks these versions.
    pub fn speaking(versions: Versions) -> Cutter {
        Cutter { versions, chunks: VecDeque::new(), held: 0, header: None }
    }

    /// Adds the next bytes of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.held += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// The next frame, if all of it is here. An error is final for the stream.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it can fail, and may lend")]
    pub fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        let header = match self.header {
            Some(header) => header,
            None if self.held < HEADER => return Ok(None),
            None => {
                let header = self.peek_header()?;
                self.header = Some(header);
                header
            }
        };
        if self.held < header.frame_len() {
            return Ok(None);
        }
        self.header = None;
        Ok(Some(Frame { header, parts: self.split(header.frame_len()) }))
    }

    /// Whether the stream is between two frames.
    pub fn is_at_boundary(&self) -> bool {
        self.held == 0
    }

    fn peek_header(&self) -> Result<Header, Malformed> {
        let mut bytes = [0; HEADER];
        let mut filled = 0;
        for chunk in &self.chunks {
            let take = chunk.len().min(HEADER - filled);
            bytes[filled..filled + take].copy_from_slice(&chunk[..take]);
            filled += take;
            if filled == HEADER {
                break;
            }
        }
        Header::decode_as(self.versions, &bytes)
    }

    fn split(&mut self, mut len: usize) -> SmallVec<[Bytes; 2]> {
        self.held -= len;
        let mut parts = SmallVec::new();
        while len > 0 {
            let Some(front) = self.chunks.front_mut() else { break };
            if front.len() <= len {
                len -= front.len();
                parts.extend(self.chunks.pop_front());
            } else {
                parts.push(front.slice(..len));
                front.advance(len);
                len = 0;
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data::DataWriter, header::Kind};
    use egret_topology::id::{Epoch, Incarnation, TaskId};
    use proptest::prelude::*;

    fn frame(dest: u32, payload: usize) -> Bytes {
        let mut writer = DataWriter::with_capacity(64);
        writer.push(&[], &vec![0; payload]);
        let header = Header::new(Kind::Data, Epoch(1), TaskId(1), Incarnation(2), TaskId(dest));
        writer.finish(header, payload as u16)
    }

    proptest! {
        #[test]
        fn frames_are_cut_whatever_the_chunks(
            payloads in prop::collection::vec(0usize..300, 1..20),
            sizes in prop::collection::vec(1usize..200, 1..30),
        ) {
            let frames: Vec<Bytes> =
                payloads.iter().enumerate().map(|(i, len)| frame(i as u32, *len)).collect();
            let mut stream = Bytes::from(frames.concat());
            let mut cutter = Cutter::default();
            let mut cut = Vec::new();
            for size in sizes.iter().cycle() {
                if stream.is_empty() {
                    break;
                }
                cutter.push(stream.split_to(stream.len().min(*size)));
                while let Some(frame) = cutter.next().unwrap() {
                    cut.push(Bytes::from(frame.parts.concat()));
                }
            }
            prop_assert!(cutter.is_at_boundary());
            prop_assert_eq!(cut, frames);
        }

        #[test]
        fn any_bytes_cut_without_panic(chunks: Vec<Vec<u8>>) {
            let mut cutter = Cutter::default();
            for chunk in chunks {
                cutter.push(chunk.into());
                while let Ok(Some(_)) = cutter.next() {}
            }
        }
    }
}
