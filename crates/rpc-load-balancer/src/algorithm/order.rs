//! Members in the order of their calls in flight.

/// The indices of members, sorted by a count of each that goes up and down.
///
/// Members with the same count lie next to each other, as a bucket. One whose count changes by one
/// moves to the next bucket: it changes places with the one at that end of its own, and the boundary
/// between the two moves by one place. So a change costs the same however many members there are,
/// and takes no memory. The idea is that of bin sort in "An O(m) Algorithm for Cores Decomposition
/// of Networks" (Batagelj and Zaveršnik, 2003).
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Indices by place, the least count first.
    sorted: Box<[u32]>,
    /// Where each index is.
    seats: Box<[Seat]>,
    /// In no order. No more than members, as none that is in use is empty.
    buckets: Vec<Bucket>,
    unused: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    place: u32,
    bucket: u32,
}

/// Those with the same count, at so many places in a row.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    count: u32,
    first: u32,
    len: u32,
}

impl Order {
    /// The order of members with these counts.
    pub(super) fn new(counts: &[u32]) -> Self {
        let mut sorted: Box<[u32]> = (0..counts.len() as u32).collect();
        sorted.sort_unstable_by_key(|&index| counts[index as usize]);
        let mut seats = vec![
            Seat {
                place: 0,
                bucket: 0
            };
            counts.len()
        ];
        let mut buckets: Vec<Bucket> = Vec::with_capacity(counts.len());
        for (place, &index) in (0..).zip(&sorted) {
            let count = counts[index as usize];
            match buckets.last_mut() {
                Some(bucket) if bucket.count == count => bucket.len += 1,
                _ => buckets.push(Bucket {
                    count,
                    first: place,
                    len: 1,
                }),
            }
            let bucket = buckets.len() as u32 - 1;
            seats[index as usize] = Seat { place, bucket };
        }
        Self {
            sorted,
            seats: seats.into(),
            buckets,
            unused: Vec::with_capacity(counts.len()),
        }
    }

    /// Those with the least count, in no order.
    pub(super) fn least(&self) -> &[u32] {
        let Some(&index) = self.sorted.first() else {
            return &[];
        };
        let bucket = self.seats[index as usize].bucket;
        &self.sorted[..self.buckets[bucket as usize].len as usize]
    }

    /// Sets the count of a member. Costs a step for each count of others that lies between.
    pub(super) fn set(&mut self, index: u32, count: u32) {
        let bucket = self.seats[index as usize].bucket;
        let before = self.buckets[bucket as usize].count;
        if before < count {
            self.raise(index, count);
        } else if before > count {
            self.lower(index, count);
        }
    }

    fn raise(&mut self, index: u32, count: u32) {
        loop {
            let own = self.seats[index as usize].bucket;
            let Bucket { first, len, .. } = self.buckets[own as usize];
            let last = first + len - 1;
            self.move_to(index, last);
            match self.bucket_at(last + 1) {
                Some(next) if self.buckets[next as usize].count <= count => {
                    self.shrink(own);
                    let bucket = &mut self.buckets[next as usize];
                    bucket.first -= 1;
                    bucket.len += 1;
                    let arrived = bucket.count == count;
                    self.seats[index as usize].bucket = next;
                    if arrived {
                        return;
                    }
                }
                _ => return self.part(index, last, count),
            }
        }
    }

    fn lower(&mut self, index: u32, count: u32) {
        loop {
            let own = self.seats[index as usize].bucket;
            let first = self.buckets[own as usize].first;
            self.move_to(index, first);
            let previous = first.checked_sub(1).and_then(|place| self.bucket_at(place));
            self.buckets[own as usize].first += 1;
            match previous {
                Some(previous) if self.buckets[previous as usize].count >= count => {
                    self.shrink(own);
                    let bucket = &mut self.buckets[previous as usize];
                    bucket.len += 1;
                    let arrived = bucket.count == count;
                    self.seats[index as usize].bucket = previous;
                    if arrived {
                        return;
                    }
                }
                _ => return self.part(index, first, count),
            }
        }
    }

    fn bucket_at(&self, place: u32) -> Option<u32> {
        let index = *self.sorted.get(place as usize)?;
        Some(self.seats[index as usize].bucket)
    }

    /// Lets a member change places with the one at a place of its own bucket.
    fn move_to(&mut self, index: u32, place: u32) {
        let from = self.seats[index as usize].place;
        let other = self.sorted[place as usize];
        self.sorted[from as usize] = other;
        self.sorted[place as usize] = index;
        self.seats[other as usize].place = from;
        self.seats[index as usize].place = place;
    }

    /// Moves a member, at that end of its bucket where the count belongs, into one of its own.
    fn part(&mut self, index: u32, place: u32, count: u32) {
        self.shrink(self.seats[index as usize].bucket);
        let alone = Bucket {
            count,
            first: place,
            len: 1,
        };
        let bucket = match self.unused.pop() {
            Some(bucket) => {
                self.buckets[bucket as usize] = alone;
                bucket
            }
            None => {
                self.buckets.push(alone);
                self.buckets.len() as u32 - 1
            }
        };
        self.seats[index as usize].bucket = bucket;
    }

    /// Takes a place off a bucket, and the bucket out of use with its last place.
    fn shrink(&mut self, bucket: u32) {
        let Bucket { len, .. } = &mut self.buckets[bucket as usize];
        *len -= 1;
        if *len == 0 {
            self.unused.push(bucket);
        }
    }
}

#[cfg(test)]
impl Order {
    /// The count that a member was last given.
    pub(super) fn count(&self, index: usize) -> u32 {
        self.buckets[self.seats[index].bucket as usize].count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What must hold between the parts of an order of members with these counts.
    fn check(order: &Order, counts: &[u32]) -> Result<(), TestCaseError> {
        let sorted: Vec<u32> = order.sorted.iter().map(|&at| counts[at as usize]).collect();
        prop_assert!(sorted.is_sorted());
        for (index, seat) in order.seats.iter().enumerate() {
            prop_assert_eq!(order.sorted[seat.place as usize], index as u32);
            let Bucket { count, first, len } = order.buckets[seat.bucket as usize];
            prop_assert_eq!(count, counts[index]);
            prop_assert!((first..first + len).contains(&seat.place));
            let same = counts.iter().filter(|&&other| other == count).count();
            prop_assert_eq!(len as usize, same);
        }
        prop_assert!(order.buckets.len() <= counts.len());

        let mut least = order.least().to_vec();
        least.sort_unstable();
        let minimum = counts.iter().min();
        let expected = (0..)
            .zip(counts)
            .filter(|&(_, count)| Some(count) == minimum);
        let expected: Vec<u32> = expected.map(|(index, _)| index).collect();
        prop_assert_eq!(least, expected);
        Ok(())
    }

    proptest! {
        #[test]
        fn counts_that_change_by_any_steps_stay_in_order(
            mut counts in prop::collection::vec(0..6_u32, 1..12),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), prop_oneof![0..6_u32, Just(u32::MAX)]),
                0..60,
            ),
        ) {
            let mut order = Order::new(&counts);
            check(&order, &counts)?;
            for (index, count) in changes {
                let index = index.index(counts.len());
                counts[index] = count;
                order.set(index as u32, count);
                check(&order, &counts)?;
            }
        }
    }

    #[test]
    fn changes_take_no_memory() {
        let mut order = Order::new(&[0; 50]);
        let room = (order.buckets.capacity(), order.unused.capacity());
        for round in 0..200 {
            for index in 0..50 {
                order.set(index, index * (round % 3));
            }
        }
        assert_eq!((order.buckets.capacity(), order.unused.capacity()), room);
    }

    #[test]
    fn nobody_is_the_least_of_none() {
        assert!(Order::new(&[]).least().is_empty());
    }
}
