//! Sorting, once for all lists.
//!
//! Owns nothing. `sort_by` is three kilobytes of code for each kind of list and moves what
//! it sorts several times; of this one, a kind costs a hundred bytes, and things are moved
//! once.

use std::cmp::Ordering;

/// Sorts a list; what is equal stays in its order.
pub(crate) fn sort<T>(list: &mut Vec<T>, compare: &dyn Fn(&T, &T) -> Ordering) {
    let order = order(list.len(), &|a, b| compare(&list[a], &list[b]));
    let mut unsorted: Vec<Option<T>> = list.drain(..).map(Some).collect();
    list.extend(order.into_iter().filter_map(|at| unsorted[at].take()));
}

fn order(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}
