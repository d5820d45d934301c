// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/star_plane.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>

#include "core/error.hpp"
#include "core/join.hpp"
#include "runtime/hosts.hpp"
#include "runtime/message_parts.hpp"
#include "runtime/waiting.hpp"

namespace moecal {
namespace {

using Payload = std::vector<char>;
using std::chrono::steady_clock;

enum class Call : std::uint32_t { start, barrier, max, broadcast, split, wait_for_all, failure };

const char* name_of(Call call) {
  constexpr const char* kNames[] = {"start", "barrier",      "max",    "broadcast",
                                    "split", "wait_for_all", "failure"};
  return call <= Call::failure ? kNames[static_cast<int>(call)] : "an unknown call";
}

/// What precedes every payload.
struct Header {
  std::uint32_t magic = 0x6d6f6563;
  Call call = Call::start;
  std::uint64_t length = 0;  // bytes
};

/// What a rank tells when it connects.
struct Hello {
  std::uint32_t magic = 0x68656c6f;
  std::int32_t rank = 0;
  std::int32_t size = 0;
  char host[64] = {};
};

/// What each rank contributes to a split.
struct SplitEntry {
  std::int32_t colour = 0;
  std::int32_t port = 0;  // where it would listen as rank 0 of its group
  char address[64] = {};
  char name[128] = {};
};

bool send_frame(Socket& socket, Call call, std::span<const char> payload, Deadline deadline) {
  Header header{.call = call, .length = payload.size()};
  return socket.open() && socket.send(bytes_of(header), deadline) && socket.send(payload, deadline);
}

struct Frame {
  Socket::Received received = Socket::Received::closed;
  Call call = Call::failure;
  Payload payload{};
};

Frame receive_frame(Socket& socket, Deadline deadline) {
  if (!socket.open()) return {};
  Header header;
  Frame frame{.received = socket.receive(bytes_of(header), deadline)};
  if (frame.received != Socket::Received::all) return frame;
  if (header.magic != Header{}.magic) return {};
  frame.call = header.call;
  frame.payload.resize(header.length);
  frame.received = socket.receive(frame.payload, deadline);
  return frame;
}

class StarPlane final : public ControlPlane {
 public:
  explicit StarPlane(StarLinks links) : links_{std::move(links)} {
    const std::string& first = links_.names[0];
    const Payload told = exchange(Call::start, {}, [&](const auto&) {
      return Payload{first.begin(), first.end()};
    });
    links_.names[0].assign(told.begin(), told.end());  // rank 0 knows its own host
  }

  [[nodiscard]] int rank() const override { return links_.rank; }
  [[nodiscard]] int size() const override { return links_.size; }
  void leave_time_outs_to_watchdog() override { watched_ = true; }
  void barrier() override { exchange(Call::barrier, {}, none); }
  void wait_for_all() override { exchange(Call::wait_for_all, {}, none); }

  using ControlPlane::max;
  void max(std::span<double> values) override {
    const char* first = reinterpret_cast<const char*>(values.data());
    const Payload reply = exchange(Call::max, {first, first + values.size_bytes()}, maximum);
    expect_size(Call::max, reply, values.size_bytes());
    std::memcpy(values.data(), reply.data(), reply.size());
  }

  void broadcast(std::span<char> bytes, int root) override {
    Payload mine;
    if (rank() == root) mine.assign(bytes.begin(), bytes.end());
    const Payload reply =
        exchange(Call::broadcast, std::move(mine),
                 [root](const std::vector<Payload>& all) { return all.at(root); });
    expect_size(Call::broadcast, reply, bytes.size());
    std::copy(reply.begin(), reply.end(), bytes.begin());
  }

  [[nodiscard]] std::unique_ptr<ControlPlane> split(int colour) override;

  [[noreturn]] void abort(int exit_status, const std::string& reason) override {
    if (!watched_) report_giving_up(rank(), size(), reason);
    tell_others(links_.names[rank()] + " " + reason);
    std::fflush(nullptr);
    std::_Exit(exit_status);
  }

 private:
  using Combine = std::function<Payload(const std::vector<Payload>&)>;

  static Payload none(const std::vector<Payload>&) { return {}; }
  static Payload concatenate(const std::vector<Payload>& all) {
    Payload whole;
    for (const Payload& part : all) whole.insert(whole.end(), part.begin(), part.end());
    return whole;
  }
  static Payload maximum(const std::vector<Payload>& all) {
    std::vector<double> result(all[0].size() / sizeof(double)), other(result.size());
    std::memcpy(result.data(), all[0].data(), all[0].size());
    for (const Payload& payload : all) {
      if (payload.size() != all[0].size()) return {};  // a wrong length, which every rank notices
      std::memcpy(other.data(), payload.data(), payload.size());
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = std::max(result[i], other[i]);
    }
    const char* first = reinterpret_cast<const char*>(result.data());
    return {first, first + result.size() * sizeof(double)};
  }

  /// The one pattern: rank 0 gathers, combines, and sends the result to everyone.
  Payload exchange(Call call, Payload mine, const Combine& combine) {
    if (rank() != 0) return ask_rank_0(call, mine);
    const std::vector<Payload> all = gather(call, std::move(mine));
    Payload result = combine(all);
    for (int peer = 1; peer < size(); ++peer)
      if (!send_frame(links_.sockets[peer], call, result, deadline()))
        fail(links_.names[peer] + " closed its connection at " + name_of(call));
    return result;
  }

  std::vector<Payload> gather(Call call, Payload mine) {
    std::vector<Payload> all(static_cast<std::size_t>(size()));
    all[0] = std::move(mine);
    std::vector<std::string> missing;
    Deadline until = deadline();
    for (int peer = 1; peer < size(); ++peer) {
      if (patient(call)) until = wait_patiently(links_.sockets[peer]);
      Frame frame = receive_frame(links_.sockets[peer], until);
      if (frame.received == Socket::Received::timeout) {
        missing.push_back(links_.names[peer]);
        continue;
      }
      check(call, peer, frame);
      all[peer] = std::move(frame.payload);
    }
    if (!missing.empty())
      fail(join(missing) + " did not arrive within " + seconds_text(links_.timeout) + " at " +
           name_of(call));
    return all;
  }

  void check(Call call, int peer, const Frame& frame) {
    if (frame.received == Socket::Received::closed)
      fail(links_.names[peer] + " closed its connection (it ended or was killed) at " +
           name_of(call));
    if (frame.call == Call::failure) fail({frame.payload.begin(), frame.payload.end()});
    if (frame.call != call)
      fail(links_.names[peer] + " called " + name_of(frame.call) + " while " + links_.names[0] +
           " called " + name_of(call));
  }

  Payload ask_rank_0(Call call, const Payload& mine) {
    // Rank 0 times out first and says who is missing; waiting longer than it hears that sentence.
    Deadline until = deadline() + kGrace;
    Socket& socket = links_.sockets[0];
    // A failed send does not end this: rank 0 may have sent its reason before it went away.
    static_cast<void>(send_frame(socket, call, mine, until));
    if (patient(call)) until = wait_patiently(socket) + kGrace;
    Frame frame = receive_frame(socket, until);
    if (frame.received == Socket::Received::closed)
      throw RankLost{links_.names[0] + " closed its connection (it ended or was killed) at " +
                     name_of(call)};
    if (frame.received == Socket::Received::timeout)
      throw RankLost{links_.names[0] + " did not answer within " +
                     seconds_text(links_.timeout + kGrace) + " at " + name_of(call)};
    if (frame.call == Call::failure)
      throw RankLost{std::string{frame.payload.begin(), frame.payload.end()}};
    return std::move(frame.payload);
  }

  [[nodiscard]] bool patient(Call call) const { return watched_ || call == Call::wait_for_all; }

  /// However long it takes until the other side says something or goes away; the new deadline.
  [[nodiscard]] Deadline wait_patiently(const Socket& socket) const {
    const auto start = steady_clock::now();
    while (socket.open() && !socket.readable(deadline())) report_waiting(rank(), size(), start);
    return deadline();
  }

  [[noreturn]] void fail(const std::string& sentence) {
    tell_others(sentence);
    throw RankLost{sentence};
  }

  /// The last words of this plane. Waits a moment for the others to hang up: closing a socket that
  /// still has unread bytes would take the words back.
  void tell_others(const std::string& sentence) {
    const Deadline soon = steady_clock::now() + std::chrono::seconds{1};
    for (Socket& socket : links_.sockets)
      static_cast<void>(send_frame(socket, Call::failure, sentence, soon));
    for (Socket& socket : links_.sockets)
      if (socket.open()) socket.hang_up(soon);
  }

  void expect_size(Call call, const Payload& reply, std::size_t bytes) const {
    if (reply.size() != bytes)
      throw RankLost{links_.names[rank()] + " passed " + std::to_string(bytes) + " bytes to " +
                     name_of(call) + ", but other ranks passed another size"};
  }

  [[nodiscard]] Deadline deadline() const { return steady_clock::now() + links_.timeout; }

  static constexpr std::chrono::milliseconds kGrace{2'000};
  StarLinks links_;
  bool watched_ = false;
};

std::unique_ptr<ControlPlane> StarPlane::split(int colour) {
  const Socket listener = listen_on(0);
  SplitEntry mine{.colour = colour, .port = listener.port()};
  const Socket& link = links_.sockets.empty() ? listener : links_.sockets.back();
  copy_text(mine.address, link.local_address());
  copy_text(mine.name, links_.names[rank()]);
  const auto sent = bytes_of(mine);
  const Payload reply = exchange(Call::split, {sent.begin(), sent.end()}, concatenate);
  std::vector<SplitEntry> entries(static_cast<std::size_t>(size()));
  expect_size(Call::split, reply, entries.size() * sizeof(SplitEntry));
  std::memcpy(entries.data(), reply.data(), reply.size());

  Rendezvous place{.timeout = links_.timeout};
  std::vector<std::string> names;
  const SplitEntry* leader = nullptr;
  for (int other = 0; other < size(); ++other) {
    if (entries[other].colour != colour) continue;
    if (other == rank()) place.rank = static_cast<int>(names.size());
    if (leader == nullptr) leader = &entries[other];
    names.emplace_back(entries[other].name);
  }
  place.size = static_cast<int>(names.size());
  place.address = leader->address;
  place.port = leader->port;
  return make_star_plane(meet(place, listener, std::move(names)));
}

/// Accepts one rank into `links`; a stranger's connection is dropped.
void welcome(StarLinks& links, std::vector<std::string>& names, Socket socket, Deadline deadline) {
  Hello hello;
  if (socket.receive(bytes_of(hello), deadline) != Socket::Received::all ||
      hello.magic != Hello{}.magic)
    return;
  const int rank = hello.rank;
  if (rank <= 0 || rank >= links.size || hello.size != links.size)
    throw RankLost{"a process on " + std::string{hello.host} + " says it is rank " +
                   std::to_string(rank) + " of " + std::to_string(hello.size) +
                   ", but rank 0 expects " + std::to_string(links.size) + " ranks"};
  if (links.sockets[rank].open())
    throw RankLost{"two processes say they are rank " + std::to_string(rank) + " of " +
                   std::to_string(links.size) + "; the second is on " + hello.host};
  links.sockets[rank] = std::move(socket);
  names[rank] += std::string{" on "} + hello.host;
}

std::vector<std::string> plain_names(int size) {
  std::vector<std::string> names;
  for (int rank = 0; rank < size; ++rank)
    names.push_back("rank " + std::to_string(rank) + " of " + std::to_string(size));
  return names;
}

void tell_missing(StarLinks& links, const std::vector<std::string>& names) {
  std::vector<std::string> missing;
  for (int rank = 1; rank < links.size; ++rank)
    if (!links.sockets[rank].open()) missing.push_back(names[rank]);
  if (missing.empty()) return;
  const std::string sentence =
      join(missing) + " did not arrive within " + seconds_text(links.timeout) + " at start";
  const Deadline soon = steady_clock::now() + std::chrono::seconds{1};
  for (Socket& socket : links.sockets)
    static_cast<void>(send_frame(socket, Call::failure, sentence, soon));
  for (Socket& socket : links.sockets)
    if (socket.open()) socket.hang_up(soon);
  throw RankLost{sentence};
}

}  // namespace

std::unique_ptr<ControlPlane> make_star_plane(StarLinks links) {
  return std::make_unique<StarPlane>(std::move(links));
}

StarLinks meet(const Rendezvous& place, const Socket& listener, std::vector<std::string> names) {
  const Deadline deadline = steady_clock::now() + place.timeout;
  const bool named = !names.empty();
  StarLinks links{.rank = place.rank, .size = place.size, .timeout = place.timeout};
  std::vector<std::string> heard = plain_names(place.size);
  heard[place.rank] += " on " + host_name();
  if (place.rank == 0) {
    links.sockets.resize(static_cast<std::size_t>(place.size));
    for (int arrived = 1; arrived < place.size;) {
      Socket socket = accept_from(listener, deadline);
      if (!socket.open()) break;
      welcome(links, heard, std::move(socket), deadline);
      arrived = 1 + static_cast<int>(std::ranges::count_if(links.sockets, &Socket::open));
    }
    tell_missing(links, named ? names : heard);
  } else {
    Hello hello{.rank = place.rank, .size = place.size};
    copy_text(hello.host, host_name());
    links.sockets.push_back(connect_to(place.address, place.port, deadline));
    static_cast<void>(links.sockets[0].send(bytes_of(hello), deadline));
  }
  links.names = named ? std::move(names) : std::move(heard);
  return links;
}

}  // namespace moecal
