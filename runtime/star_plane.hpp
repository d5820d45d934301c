// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/control_plane.hpp"
#include "runtime/socket.hpp"

namespace moecal {

/// How a plane's ranks are connected: rank 0 has a socket to every other rank, each of which has
/// one to rank 0.
struct StarLinks {
  int rank = 0;
  int size = 1;
  std::vector<Socket> sockets{};  // rank 0: [size], its own closed; others: [1], to rank 0
  std::vector<std::string>
      names{};  // [size], e.g. "rank 2 of 4 on node7": how messages call a rank
  std::chrono::milliseconds timeout{120'000};  // of every collective call
};

/// A control plane over connected sockets. Each call goes through rank 0, which notices who is
/// missing, gone, or calls something else, and tells every other rank the same sentence.
[[nodiscard]] std::unique_ptr<ControlPlane> make_star_plane(StarLinks links);

/// Rank 0 accepts, the others connect; returns when all are there.
struct Rendezvous {
  int rank = 0;
  int size = 1;
  std::string address{};  // of rank 0
  int port = 0;
  std::chrono::milliseconds timeout{120'000};
};
/// @throws Error naming the ranks that did not arrive, or two processes with one rank.
[[nodiscard]] StarLinks meet(const Rendezvous& place, const Socket& listener,
                             std::vector<std::string> names);

}  // namespace moecal
