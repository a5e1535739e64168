//! The bodies of requests and responses, counted against what a call may send and receive.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, WasiBody};

use super::errors::of_hyper;
use super::pool::{Pool, Sender, Way};
use super::requests::Told;

/// Bytes that a call may still send, or receive.
#[derive(Debug)]
pub(super) struct Allowance {
    left: AtomicU64,
    /// What the configuration calls it.
    setting: &'static str,
}

impl Allowance {
    pub(super) fn new(bytes: u64, setting: &'static str) -> Self {
        Self { left: AtomicU64::new(bytes), setting }
    }

    pub(super) fn has(&self, bytes: u64) -> bool {
        bytes <= self.left.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let bytes = crate::limits::bytes(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    pub(super) fn setting(&self) -> &'static str {
        self.setting
    }
}

/// One of the requests that a call may have under way: until both its body is sent and its response is read, in whatever
/// order, since the connection lives as long.
pub(super) type Slot = Arc<OwnedSemaphorePermit>;

/// The body of a request, while it is sent.
pub(super) struct Sent {
    body: WasiBody,
    progress: Arc<Progress>,
    slot: Slot,
    /// Whether the call has ended: what the guest has not finished by then must not pass for a whole body.
    ended: Arc<AtomicBool>,
}

/// How far a request's body is.
#[derive(Debug)]
pub(super) struct Progress {
    allowance: Arc<Allowance>,
    over: AtomicBool,
    exceeded: AtomicBool,
}

impl Progress {
    /// Whether the connection has done with it: it was sent, or broken off and the connection with it.
    fn over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Whether it was broken off because it was too much.
    pub(super) fn exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Acquire)
    }
}

impl Sent {
    pub(super) fn new(body: WasiBody, allowance: Arc<Allowance>, slot: Slot, ended: Arc<AtomicBool>) -> Self {
        let progress = Progress { allowance, over: AtomicBool::new(false), exceeded: AtomicBool::new(false) };
        Self { body, progress: Arc::new(progress), slot, ended }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// The same once more, where it was empty.
    pub(super) fn again(&self) -> Option<Self> {
        let (slot, ended) = (Arc::clone(&self.slot), Arc::clone(&self.ended));
        self.body.is_end_stream().then(|| Self { body: empty(), progress: self.progress(), slot, ended })
    }
}

/// No body.
pub(super) fn empty() -> WasiBody {
    Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && !this.progress.allowance.take(frame.data_ref().map_or(0, Bytes::len))
        {
            this.progress.exceeded.store(true, Ordering::Release);
            return Poll::Ready(Some(Err(Error::HttpRequestBodySize(None))));
        }
        if frame.is_none() && this.ended.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err(Error::HttpProtocolError)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.progress.over.store(true, Ordering::Release);
    }
}

/// The body of a response, while the guest reads it. When it is read, or let go of, its connection waits for the next
/// request if it can serve one.
pub(super) struct Received {
    pub(super) body: Incoming,
    pub(super) allowance: Arc<Allowance>,
    pub(super) told: Arc<Told>,
    /// How long the guest waits for the next bytes.
    pub(super) between: Option<Duration>,
    pub(super) waiting: Option<Pin<Box<Sleep>>>,
    pub(super) back: Option<Back>,
    pub(super) _slot: Slot,
}

/// Where the connection goes afterwards.
pub(super) struct Back {
    pub(super) pool: Arc<Pool>,
    pub(super) way: Way,
    pub(super) sender: Sender,
    pub(super) sent: Arc<Progress>,
}

impl Received {
    /// Gives the connection back unless it is of no more use. Where the response has not ended it closes by itself.
    fn give_back(&mut self) {
        if let Some(back) = self.back.take()
            && back.sent.over()
        {
            back.pool.put(back.way, back.sender);
        }
    }

    fn overdue(&mut self, context: &mut Context<'_>) -> bool {
        let Some(between) = self.between else { return false };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(between)));
        waiting.as_mut().poll(context).is_ready()
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let frame = match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending if this.overdue(context) => {
                this.back = None;
                return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
            }
            Poll::Pending => return Poll::Pending,
        };
        this.waiting = None;
        Poll::Ready(match frame {
            None => {
                this.give_back();
                None
            }
            Some(Ok(frame)) => {
                let size = frame.data_ref().map_or(0, Bytes::len);
                if this.allowance.take(size) {
                    Some(Ok(frame))
                } else {
                    this.back = None;
                    this.told.exceeded(&this.allowance);
                    Some(Err(Error::HttpResponseBodySize(None)))
                }
            }
            Some(Err(error)) => {
                this.back = None;
                Some(Err(of_hyper(&error)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.give_back();
    }
}
