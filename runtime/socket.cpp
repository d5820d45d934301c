// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/socket.hpp"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "core/error.hpp"

namespace moecal {
namespace {

/// False when the deadline passed before `events` came.
bool wait_for(int descriptor, short events, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd entry{descriptor, events, 0};
    constexpr std::int64_t kHour = 3'600'000;  // milliseconds; poll takes an int
    const auto time = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, kHour));
    const int ready = ::poll(&entry, 1, time);
    if (ready > 0) return true;
    if (ready == 0 && left.count() <= 0) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// All addresses of a host; a null list when it is not known (yet).
Addresses resolve(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
  return {found, &::freeaddrinfo};
}

Socket try_connect(const addrinfo& to) {
  Socket socket{::socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC, to.ai_protocol)};
  const timeval patience{.tv_sec = 5, .tv_usec = 0};  // else minutes, where nobody says no
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (!socket.open() || ::connect(socket.get(), to.ai_addr, to.ai_addrlen) != 0) return {};
  return socket;
}

/// Control messages are small and latency matters: they are not held back to be merged. A host that
/// goes away without a word is noticed after some minutes: some waits have no limit of their own.
void set_options(const Socket& socket) {
  const auto set = [&](int level, int option, int value) {
    ::setsockopt(socket.get(), level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);   // seconds of silence before the first question
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);  // seconds between questions
  set(IPPROTO_TCP, TCP_KEEPCNT, 6);     // questions without an answer
}

template <class Address>
Socket bound_socket(const Address& address, int family) {
  Socket socket{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const int on = 1, off = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6)
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);  // and IPv4 too
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  return socket;
}

/// IPv6 and IPv4; IPv4 alone where the kernel has no other. Closed, with errno, if there is none.
Socket bound_socket_of_all_addresses(int port) {
  sockaddr_in6 both{};
  both.sin6_family = AF_INET6;
  both.sin6_addr = in6addr_any;
  both.sin6_port = htons(static_cast<std::uint16_t>(port));
  Socket socket = bound_socket(both, AF_INET6);
  if (socket.open() || errno == EADDRINUSE) return socket;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  address.sin_port = both.sin6_port;
  return bound_socket(address, AF_INET);
}

}  // namespace

Socket::Socket(Socket&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Socket::~Socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool Socket::readable(Deadline deadline) const { return wait_for(descriptor_, POLLIN, deadline); }

Socket::Received Socket::receive(std::span<char> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    if (!wait_for(descriptor_, POLLIN, deadline)) return Received::timeout;
    const auto count = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
    if (count == 0 || (count < 0 && errno != EINTR)) return Received::closed;
    if (count > 0) bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return Received::all;
}

bool Socket::send(std::span<const char> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    if (!wait_for(descriptor_, POLLOUT, deadline)) return false;
    const auto count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (count > 0) bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

void Socket::hang_up(Deadline deadline) {
  ::shutdown(descriptor_, SHUT_WR);
  char dropped[4096];
  while (wait_for(descriptor_, POLLIN, deadline))
    if (::recv(descriptor_, dropped, sizeof dropped, 0) <= 0) return;
}

std::string Socket::local_address() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length);
  char host[NI_MAXHOST] = "127.0.0.1";  // what a local (AF_UNIX) socket answers
  if (address.ss_family != AF_UNIX)
    ::getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof host, nullptr, 0,
                  NI_NUMERICHOST);
  // An IPv4 connection to a socket that listens to both; a peer may have no IPv6 at all.
  const std::string_view text{host};
  constexpr std::string_view kMapped = "::ffff:";
  return std::string{text.starts_with(kMapped) ? text.substr(kMapped.size()) : text};
}

int Socket::port() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

Socket listen_on(int port) {
  Socket socket = bound_socket_of_all_addresses(port);
  if (!socket.open() || ::listen(socket.get(), SOMAXCONN) != 0)
    throw Error{"cannot listen on port " + std::to_string(port) + ": " + std::strerror(errno) +
                "; choose another with MOECAL_PORT"};
  return socket;
}

Socket accept_from(const Socket& listener, Deadline deadline) {
  if (!wait_for(listener.get(), POLLIN, deadline)) return {};
  Socket socket{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  set_options(socket);
  return socket;
}

Socket connect_to(const std::string& address, int port, Deadline deadline) {
  for (;;) {
    std::string reason = "the name is not known";
    const Addresses addresses = resolve(address, port);
    for (const addrinfo* to = addresses.get(); to != nullptr; to = to->ai_next) {
      Socket socket = try_connect(*to);
      if (!socket.open()) {
        reason = std::strerror(errno);
        continue;
      }
      set_options(socket);
      return socket;
    }
    if (std::chrono::steady_clock::now() >= deadline)
      throw Error{"cannot connect to rank 0 at " + address + " port " + std::to_string(port) +
                  ": " + reason};
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
}

}  // namespace moecal
