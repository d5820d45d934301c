// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/fork_plane.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "runtime/star_plane.hpp"

namespace moecal {
namespace {

/// Both ends of rank 0's connection to each other rank; the ends of rank 0 itself stay closed.
struct Connections {
  std::vector<Socket> at_rank_0;
  std::vector<Socket> at_peer;
};

Connections connect_pairs(int ranks) {
  Connections links{std::vector<Socket>(static_cast<std::size_t>(ranks)),
                    std::vector<Socket>(static_cast<std::size_t>(ranks))};
  for (int peer = 1; peer < ranks; ++peer) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw Error{std::string{"cannot connect ranks by socketpair: "} + std::strerror(errno)};
    links.at_rank_0[peer] = Socket{ends[0]};
    links.at_peer[peer] = Socket{ends[1]};
  }
  return links;
}

StarLinks links_of(int rank, Connections connections, std::chrono::milliseconds timeout) {
  const int size = static_cast<int>(connections.at_peer.size());
  StarLinks links{.rank = rank, .size = size, .timeout = timeout};
  for (int r = 0; r < size; ++r)
    links.names.push_back("rank " + std::to_string(r) + " of " + std::to_string(size));
  if (rank == 0) {
    links.sockets = std::move(connections.at_rank_0);
  } else {
    links.sockets.push_back(std::move(connections.at_peer[rank]));
  }
  return links;  // the ends of other ranks close here: else a death would not be seen
}

int status_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void report_end(int rank, int ranks, int wait_status) {
  if (WIFSIGNALED(wait_status))
    std::fprintf(stderr, "rank %d of %d was ended by signal %d (%s)\n", rank, ranks,
                 WTERMSIG(wait_status), ::strsignal(WTERMSIG(wait_status)));
  else if (WEXITSTATUS(wait_status) != 0)
    std::fprintf(stderr, "rank %d of %d ended with exit status %d\n", rank, ranks,
                 WEXITSTATUS(wait_status));
}

/// Waits for all children; after the first failure the rest get a moment, then are killed.
int supervise(std::vector<pid_t>& children) {
  constexpr std::chrono::seconds kMoment{3};
  const int ranks = static_cast<int>(children.size());
  int status = 0;
  auto end_by = std::chrono::steady_clock::time_point::max();
  for (int running = ranks; running > 0;) {
    for (int rank = 0; rank < ranks; ++rank) {
      int wait_status = 0;
      if (children[rank] <= 0 || ::waitpid(children[rank], &wait_status, WNOHANG) <= 0) continue;
      children[rank] = 0;
      --running;
      if (status_of(wait_status) == 0 || status != 0) continue;
      status = status_of(wait_status);
      report_end(rank, ranks, wait_status);
      end_by = std::chrono::steady_clock::now() + kMoment;
    }
    if (std::chrono::steady_clock::now() > end_by)
      for (const pid_t child : children)
        if (child > 0) ::kill(child, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return status;
}

}  // namespace

Forked fork_ranks(int ranks, std::chrono::milliseconds timeout) {
  if (ranks < 1) throw InvalidInput{"cannot start " + std::to_string(ranks) + " ranks"};
  Connections connections = connect_pairs(ranks);
  std::signal(SIGCHLD, SIG_DFL);  // where a parent has it ignored, no end could be waited for
  std::fflush(nullptr);           // else every child would print what is buffered
  std::vector<pid_t> children;
  for (int rank = 0; rank < ranks; ++rank) {
    const pid_t child = ::fork();
    if (child < 0) throw Error{std::string{"cannot fork a rank: "} + std::strerror(errno)};
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a killed launcher leaves no rank behind
      return {.plane = make_star_plane(links_of(rank, std::move(connections), timeout))};
    }
    children.push_back(child);
  }
  connections = {};
  return {.status = supervise(children)};
}

int run_forked(int ranks, std::chrono::milliseconds timeout, const RankBody& body) {
  Forked forked = fork_ranks(ranks, timeout);
  if (!forked.plane) return forked.status;
  int status = 1;
  try {
    status = body(*forked.plane);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "rank %d of %d: %s\n", forked.plane->rank(), ranks, problem.what());
  }
  std::fflush(nullptr);
  std::_Exit(status);  // _Exit: a child must not run its parent's exit handlers
}

}  // namespace moecal
