"""Messages arrive as they were sent, however the kernel cuts them."""

import pickle
import socket
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brev_pipeline.engine.transport import MessageKind, encode_message, read_messages, send_message


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def exchange(values):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(
            target=lambda: [send_message(theirs, encode_message(MessageKind.DONE, value)) for value in values]
        )
        sender.start()
        arriving = read_messages(ours)
        messages = [next(arriving) for _ in values]
        sender.join()
    assert all(message.kind is MessageKind.DONE for message in messages)
    return messages


trees = st.recursive(
    st.none() | st.integers() | st.text() | st.binary(max_size=10) | st.just(b"x" * 200_000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(trees, max_size=4))
def test_any_values_arrive_in_order(values):
    assert [message.load() for message in exchange(values)] == values


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 3000])
def test_any_number_of_large_arrays(count):
    array = np.arange(66_000, dtype=np.uint8)
    (message,) = exchange([[array] * count if count < 2 else [array.copy() for _ in range(count)]])
    assert len(message.parts) == 1 + count
    received = message.load()
    assert len(received) == count
    assert all(np.array_equal(one, array) for one in received)


def test_small_arrays_stay_inside_the_pickle():
    (message,) = exchange([[np.arange(10), np.zeros((2, 2))]])
    assert len(message.parts) == 1


@pytest.mark.parametrize("array", [np.zeros((0, 5)), np.arange(10**6)[::3], np.asfortranarray(np.ones((600, 500)))])
def test_arrays_of_every_layout(array):
    (message,) = exchange([array])
    np.testing.assert_array_equal(message.load(), array)


def test_a_message_that_comes_byte_by_byte_is_not_there_until_it_is_complete(pair):
    ours, theirs = pair
    ours.setblocking(False)
    arriving = read_messages(ours)
    data = b"".join(encode_message(MessageKind.TASK, ["a task", 1]))
    for byte in data[:-1]:
        theirs.send(bytes([byte]))
        assert next(arriving) is None
    theirs.send(data[-1:])
    message = next(arriving)
    assert message.kind is MessageKind.TASK
    assert message.load() == ["a task", 1]
    assert next(arriving) is None
    holders = sys.getrefcount(message.parts)
    assert holders == 2  # the message, and the call that counts


@pytest.mark.parametrize("cut", [0, 1, 12, 13, -1])
def test_a_broken_connection_is_the_end_wherever_it_breaks(pair, cut):
    ours, theirs = pair
    data = b"".join(encode_message(MessageKind.DONE, np.zeros(100_000, np.uint8)))
    theirs.send(data[:cut] if cut else b"")
    theirs.close()
    with pytest.raises(EOFError):
        next(read_messages(ours))


def test_what_does_not_pickle_raises_before_anything_is_sent():
    with pytest.raises((pickle.PicklingError, AttributeError)):
        encode_message(MessageKind.DONE, lambda: None)


def test_sending_large_buffers_makes_no_copy_of_them():
    array = np.zeros(1_000_000, np.uint8)
    data = bytes(1_000_000)
    parts = encode_message(MessageKind.DONE, [array, data])
    assert any(part is data for part in parts)
    assert any(
        isinstance(part, memoryview) and np.shares_memory(np.frombuffer(part, np.uint8), array) for part in parts
    )
