# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The base of our nodes: a lifecycle that starts itself, parameters from a dataclass, errors in one line.

A subclass does its work in `setup` and `begin`, and registers there how to undo it. An exception from either refuses
the transition, undoes what has been done so far and is logged, in one line if it is the user's mistake.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from copy import copy
from functools import partial
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import LoggingSeverity
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from rclpy.task import Future

from avatar_forcing_ros.nodes import params
from avatar_forcing_ros.nodes.handover import HandingPublisher, Handover
from avatar_forcing_ros.nodes.links import Links
from avatar_forcing_ros.session.errors import describe, trace
from avatar_forcing_ros.session.worker import Faults, Worker

Config = TypeVar("Config")
EXPECTED = (ValueError, OSError, TypeError, InvalidParameterTypeException, InvalidParameterValueException)
"""What wrong parameters and files raise."""
_AUTOSTART = "autostart"
debugged = threading.Event()
"""Set if the command line of this process contains `--debug`."""
_MOST_AT_ONCE = 5000
"""More messages than any topic queues, see `qos`."""


class _Untouched(CallbackGroup):
    """Of what no executor waits for."""

    def can_execute(self, entity: object) -> bool:
        return False


class ManagedNode(LifecycleNode, Generic[Config]):
    """A lifecycle node with a config, which configures and activates itself unless `autostart` is false.

    Attributes:
        config: the parameters at the time when the node was configured.
        faults: errors of callbacks and workers so far.
        links: watches for what keeps messages from the node.
        finished: future of the exit status, done when the node has finished its work.
    """

    config: Config
    handover: Handover | None = None
    """Passes messages to other nodes of the same process; None leaves that to the middleware."""
    polls: bool = False
    """Whether messages on topics that are listened to from now on wait for `take_all`, and wake nobody."""
    needed: bool = True
    """Whether the other nodes of its process end when this one has finished."""
    live: tuple[str, ...] = ()
    """What the names of parameters begin with that take effect while it is active."""

    def __init__(self, name: str, defaults: Config, **node_arguments: Any) -> None:
        super().__init__(name, **node_arguments)
        self._config_type = type(defaults)
        self._configured, self._active = ExitStack(), ExitStack()
        self._subscriptions_active: list[Subscription] = []
        self.faults = Faults(self.get_logger())
        self.links = Links(self, self.guard)
        self.finished: Future = Future()
        self.declare_parameter(_AUTOSTART, True, ParameterDescriptor(description="configure and activate at once"))
        params.declare(self, defaults)
        if unknown := params.undeclared(self):
            self.get_logger().warning(f"no such parameter: {', '.join(unknown)}")

    def setup(self, undo: ExitStack) -> None:
        """Load what takes time, and register on `undo` what must be released."""

    def begin(self, undo: ExitStack) -> None:
        """Create publishers, subscriptions and threads, and register on `undo` what must be ended."""

    def start(self) -> bool:
        """Configure and activate if `autostart` is true; False if a transition was refused."""
        if debugged.is_set():  # tracebacks of callbacks and workers are logged at this level
            self.get_logger().set_level(LoggingSeverity.DEBUG)
        if not self.get_parameter(_AUTOSTART).value:
            return True
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def finish(self, status: int = 0) -> None:
        """End the node's process, if it has one of its own; may be called from any thread, and more than once."""
        if not self.finished.done():
            self.finished.set_result(status)

    def close(self) -> bool:
        """Deactivate, clean up and destroy the node, whatever its state; False if something could not be finished."""
        results = [self._attempt(stack.close) for stack in (self._active, self._configured)]
        self.destroy_node()
        return all(result == TransitionCallbackReturn.SUCCESS for result in results)

    # --- for subclasses --------------------------------------------------------------------------------------------

    def advertise(self, message_type: type, topic: str, qos: QoSProfile) -> Publisher | HandingPublisher:
        """A publisher that lasts until the node is deactivated."""
        # rclpy modifies the profile that it is given, and ours are shared by many topics
        publisher = self.create_publisher(message_type, topic, copy(qos), **self.links.options(publishes=True))
        self._active.callback(self._silence, publisher)
        self.links.watch(publisher)
        return (
            publisher
            if self.handover is None
            else HandingPublisher(publisher, self.resolve_topic_name(topic), self.handover)
        )

    def listen(
        self, message_type: type, topic: str, accept: Callable[[Any], None], qos: QoSProfile, raw: bool = False
    ) -> None:
        """Subscribe until the node is deactivated. An error from `accept` is reported, and the next message is taken.

        With `raw`, `accept` gets the message's bytes.
        """
        guarded, options = self.guard(topic, accept), self.links.options(publishes=False)
        group = _Untouched() if self.polls else None
        subscription = self.create_subscription(
            message_type, topic, guarded, copy(qos), raw=raw, callback_group=group, **options
        )
        self.links.watch(subscription)
        self._subscriptions_active.append(subscription)
        self._active.callback(self._unlisten, subscription)
        if self.handover is not None and not raw:
            self._active.callback(self.handover.listen(self.resolve_topic_name(topic), guarded))

    def take_all(self) -> None:
        """Take all messages that have arrived so far; call it in the executor's thread, unless the node `polls`.

        An executor takes one message of each topic and then turns to services, so a request would overtake the rest of
        a burst that arrived before it.
        """
        for subscription in self._subscriptions_active:
            with subscription.handle:
                for _ in range(_MOST_AT_ONCE):  # a flooded topic must not starve the others
                    taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
                    if taken is None:
                        break
                    subscription.callback(taken[0])

    def work(self, name: str, turn: Callable[[], None], wake: Callable[[], None]) -> None:
        """Run a worker until the node is deactivated."""
        worker = Worker(name, turn, self.faults, wake)
        self._active.callback(worker.stop)
        worker.start()

    def serve(self, service_type: type, name: str, act: Callable[[Any], str | None]) -> None:
        """Offer a service until the node is deactivated; the answer is what `act` returns, or its error in one line."""
        service = self.create_service(service_type, name, partial(self._answer, name, act))
        self._active.callback(self.destroy_service, service)

    def serve_apart(self, service_type: type, name: str, act: Callable[[Any], str | None]) -> None:
        """Like `serve`, for slow requests: `act` runs in a thread of its own, one request after the other.

        An executor sends what a callback returns, and spins at full speed while a coroutine waits. So the callback
        returns at once, and the thread sends the answer.
        """
        thread = ThreadPoolExecutor(1, name)
        pending: dict[int, Any] = {}

        def accept(request: Any, response: Any) -> Any:
            pending[id(response)] = request
            return response

        def answer_later(response: Any, header: Any) -> None:
            thread.submit(answer, pending.pop(id(response)), response, header)

        def answer(request: Any, response: Any, header: Any) -> None:
            self._answer(name, act, request, response)
            send(response, header)

        service = self.create_service(service_type, name, accept)
        send, service.send_response = service.send_response, answer_later
        self._active.callback(self.destroy_service, service)
        self._active.callback(thread.shutdown, cancel_futures=True)  # before the service goes

    def _answer(self, name: str, act: Callable[[Any], str | None], request: Any, response: Any) -> Any:
        try:
            response.message = act(request) or ""
            response.success = True
        except Exception as error:  # whatever it is, the caller is told
            self.faults.report(name, error)
            response.message = describe(error)
        return response

    def guard(self, where: str, act: Callable[..., object]) -> Callable[..., None]:
        """Wrap `act` so that its errors are reported; rclpy would end the process."""

        def guarded(*arguments: Any) -> None:
            try:
                act(*arguments)
            except Exception as error:  # whatever it is, the node goes on
                self.faults.report(where, error)

        return guarded

    def _silence(self, publisher: Publisher) -> None:
        self.links.unwatch(publisher)
        self.destroy_publisher(publisher)

    def _unlisten(self, subscription: Subscription) -> None:
        self.links.unwatch(subscription)
        self._subscriptions_active.remove(subscription)
        self.destroy_subscription(subscription)

    # --- rclpy's side ----------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters and set up."""
        return self._attempt(self._read_and_setup, undo=self._configured)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin."""
        return self._attempt(self._look_around_and_begin, undo=self._active)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End."""
        return self._attempt(self._active.close)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release."""
        return self._attempt(self._configured.close)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End and release."""
        self._attempt(self._active.close)
        return self._attempt(self._configured.close)

    def _read_and_setup(self) -> None:
        self.config = params.read(self, self._config_type)
        waits = partial(self._tell_what_waits, params.values(self.config).keys())
        self._configured.callback(params.when_set(self, self.guard("parameters", waits)))
        self.setup(self._configured)

    def _tell_what_waits(self, used: Container[str], changes: Sequence[Parameter]) -> None:
        """Setting such a parameter succeeds, and the caller would wait for an effect in vain."""
        waiting = [c.name for c in changes if c.name in used and not c.name.startswith(self.live)]
        if waiting:
            self.get_logger().warning(
                f"{', '.join(waiting)}: set, but used only once the node is configured again: "
                f"ros2 lifecycle set {self.get_fully_qualified_name()} deactivate, then cleanup, configure, activate"
            )

    def _look_around_and_begin(self) -> None:
        self.links.open()
        self._active.callback(self.links.close)
        self.begin(self._active)

    def _attempt(self, action: Callable[[], None], undo: ExitStack | None = None) -> TransitionCallbackReturn:
        try:
            action()
        except Exception as error:  # rclpy would swallow it without a word
            self.get_logger().error(describe(error, EXPECTED))
            self.get_logger().debug(trace(error))
            if undo is not None:
                undo.close()
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS
