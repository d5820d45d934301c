// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <span>
#include <string>

namespace moecal {

using Deadline = std::chrono::steady_clock::time_point;

/// One connected or listening TCP or local socket; closed when destroyed.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_{descriptor} {}
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool open() const { return descriptor_ >= 0; }

  /// False if the deadline passed before bytes came or the other side closed.
  [[nodiscard]] bool readable(Deadline deadline) const;

  enum class Received { all, timeout, closed };
  /// Blocks until every byte came, the other side closed, or the deadline passed.
  [[nodiscard]] Received receive(std::span<char> bytes, Deadline deadline);
  /// False if the other side closed or took no more bytes before the deadline.
  [[nodiscard]] bool send(std::span<const char> bytes, Deadline deadline);

  /// Ends sending and drops what still comes until the other side ends too or the deadline passes.
  void hang_up(Deadline deadline);

  /// The address this side of a connection has, without the port.
  [[nodiscard]] std::string local_address() const;
  /// The port a listening socket got.
  [[nodiscard]] int port() const;

 private:
  int descriptor_ = -1;
};

/// A socket that listens on `port` (0: any free one) on every interface. @throws Error naming the
/// port.
[[nodiscard]] Socket listen_on(int port);
/// The next connection, or a closed socket when the deadline passed.
[[nodiscard]] Socket accept_from(const Socket& listener, Deadline deadline);
/// Tries again until the deadline, because the listener may start later. @throws Error naming the
/// address, port and last reason.
[[nodiscard]] Socket connect_to(const std::string& address, int port, Deadline deadline);

}  // namespace moecal
