// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/socket.hpp"
#include "runtime/tcp_plane.hpp"

namespace moecal::testing {

inline int free_port() { return listen_on(0).port(); }

/// Ranks as threads of this process that meet over loopback; a rank's exception is its text.
inline std::vector<std::string> on_tcp_ranks(int ranks, std::chrono::milliseconds timeout,
                                             const std::function<void(ControlPlane&)>& body,
                                             int absent = -1) {
  const int port = free_port();
  std::vector<std::string> problems(static_cast<std::size_t>(ranks));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    if (rank != absent)
      threads.emplace_back([&, rank] {
        try {
          body(*make_tcp_plane({.rank = rank,
                                .size = ranks,
                                .address = "127.0.0.1",
                                .port = port,
                                .timeout = timeout}));
        } catch (const std::exception& problem) {
          problems[rank] = problem.what();
        }
      });
  threads.clear();
  return problems;
}

}  // namespace moecal::testing
