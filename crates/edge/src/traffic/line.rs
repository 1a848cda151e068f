//! Who waits: a slab of waiting requests, and lines through it that one can leave anywhere.
//!
//! A request that waits owns its node and gives it back itself, also when it is dropped, so
//! that a node never belongs to two. Whoever changes a node's state gets its waker and wakes
//! it after letting go of whatever it had borrowed: waking may run code of strangers.

use std::task::Waker;

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// All that wait at one place, with what each of them waits as.
pub(crate) struct Waiters<S> {
    nodes: Vec<Node<S>>,
    free: Vec<u32>,
}

struct Node<S> {
    next: u32,
    before: u32,
    waker: Option<Waker>,
    /// `None` where the node is free.
    state: Option<S>,
}

/// An order of some of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) head: u32,
    pub(crate) tail: u32,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            head: NONE,
            tail: NONE,
        }
    }
}

impl Line {
    pub(crate) fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

impl<S> Waiters<S> {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, state: S) -> u32 {
        let node = Node {
            next: NONE,
            before: NONE,
            waker: None,
            state: Some(state),
        };
        match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = node;
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// Takes a node away that is in no line any more.
    pub(crate) fn remove(&mut self, id: u32) -> (S, Option<Waker>) {
        let node = &mut self.nodes[id as usize];
        let state = node.state.take().expect("a waiting request owns its node");
        self.free.push(id);
        (state, node.waker.take())
    }

    pub(crate) fn state(&self, id: u32) -> &S {
        let state = self.nodes[id as usize].state.as_ref();
        state.expect("a waiting request owns its node")
    }

    /// Changes what it waits as; whom to wake.
    pub(crate) fn change(&mut self, id: u32, state: S) -> Option<Waker> {
        let node = &mut self.nodes[id as usize];
        node.state = Some(state);
        node.waker.take()
    }

    /// Who is woken when it changes; the one that was, to be dropped outside.
    pub(crate) fn wake_with(&mut self, id: u32, waker: Waker) -> Option<Waker> {
        self.nodes[id as usize].waker.replace(waker)
    }

    pub(crate) fn push(&mut self, line: &mut Line, id: u32) {
        let node = &mut self.nodes[id as usize];
        (node.before, node.next) = (line.tail, NONE);
        match line.tail {
            NONE => line.head = id,
            tail => self.nodes[tail as usize].next = id,
        }
        line.tail = id;
    }

    pub(crate) fn unlink(&mut self, line: &mut Line, id: u32) {
        let node = &self.nodes[id as usize];
        let (before, next) = (node.before, node.next);
        match before {
            NONE => line.head = next,
            before => self.nodes[before as usize].next = next,
        }
        match next {
            NONE => line.tail = before,
            next => self.nodes[next as usize].before = before,
        }
    }

    pub(crate) fn next(&self, id: u32) -> Option<u32> {
        Some(self.nodes[id as usize].next).filter(|next| *next != NONE)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}
