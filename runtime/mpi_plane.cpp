// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/mpi_plane.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "runtime/check_mpi.hpp"
#include "runtime/waiting.hpp"

namespace moecal {
namespace {

using std::chrono::steady_clock;

/// Gives the core away, because ranks may outnumber cores.
void yield() { std::this_thread::yield(); }
/// The same in long waits, in which others work.
void pause() { std::this_thread::sleep_for(std::chrono::milliseconds{1}); }

/// Of a rank that others measure without.
void doze() { std::this_thread::sleep_for(std::chrono::microseconds{200}); }

/// Tests a request until it is done or the time is up.
bool finish(MPI_Request& request, std::chrono::milliseconds within, void (*between)() = yield) {
  const auto deadline = steady_clock::now() + within;
  for (;;) {
    int done = 0;
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return true;
    if (steady_clock::now() > deadline) return false;
    between();
  }
}

class MpiPlane final : public ControlPlane {
 public:
  MpiPlane(MPI_Comm communicator, bool owns_library, std::chrono::milliseconds timeout)
      : communicator_{communicator}, owns_library_{owns_library}, timeout_{timeout} {
    MPI_Comm_rank(communicator_, &rank_);
    MPI_Comm_size(communicator_, &size_);
    check_mpi(MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    // Reports of lateness travel apart, so that they cannot meet a measured operation.
    check_mpi(MPI_Comm_dup(communicator_, &reports_), "MPI_Comm_dup");
  }

  ~MpiPlane() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized != 0) return;
    // A rank that leaves by an exception would wait in MPI_Finalize for ranks that wait for it.
    if (owns_library_ && std::uncaught_exceptions() > 0) MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Comm_free(&reports_);
    if (communicator_ != MPI_COMM_WORLD) MPI_Comm_free(&communicator_);
    if (owns_library_) MPI_Finalize();
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] void* native() override { return &communicator_; }
  void leave_time_outs_to_watchdog() override { watched_ = true; }
  void idle(bool on) override { idle_ = on; }

  void barrier() override {
    MPI_Request request;
    check_mpi(MPI_Ibarrier(communicator_, &request), called("barrier"));
    wait(request, "barrier");
  }

  /// A rank that ends is not noticed here: mpirun, which sees it, ends all others.
  void wait_for_all() override {
    MPI_Request request;
    check_mpi(MPI_Ibarrier(communicator_, &request), called("wait_for_all"));
    wait_patiently(request, steady_clock::now());
  }

  using ControlPlane::max;
  void max(std::span<double> values) override {
    MPI_Request request;
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()),
                             MPI_DOUBLE, MPI_MAX, communicator_, &request),
              called("max"));
    wait(request, "max");
  }

  void broadcast(std::span<char> bytes, int root) override {
    MPI_Request request;
    check_mpi(MPI_Ibcast(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, root,
                         communicator_, &request),
              called("broadcast"));
    wait(request, "broadcast");
  }

  [[nodiscard]] std::unique_ptr<ControlPlane> split(int colour) override {
    barrier();  // MPI_Comm_split has no time-out of its own
    MPI_Comm part = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split(communicator_, colour, rank_, &part), called("split"));
    auto plane = std::make_unique<MpiPlane>(part, false, timeout_);
    plane->watched_ = watched_;
    return plane;
  }

  [[noreturn]] void abort(int exit_status, const std::string& reason) override {
    if (!watched_) report_giving_up(rank_, size_, reason);
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, exit_status);
    std::_Exit(exit_status);
  }

 private:
  [[nodiscard]] std::string called(const std::string& call) const {
    return call + " on rank " + std::to_string(rank_) + " of " + std::to_string(size_);
  }

  void wait(MPI_Request& request, const std::string& call) {
    const auto start = steady_clock::now();
    if (finish(request, timeout_, idle_ ? doze : yield)) return;
    if (watched_) return wait_patiently(request, start);
    // An unfinished collective cannot be cancelled: the launch is to be aborted after this error.
    throw RankLost{absent_ranks() + " did not arrive within " +
                   std::to_string(static_cast<double>(timeout_.count()) / 1e3) + " s at " + call};
  }

  void wait_patiently(MPI_Request& request, steady_clock::time_point since) {
    while (!finish(request, timeout_, pause)) report_waiting(rank_, size_, since);
  }

  /// Asks who else is waiting: every late rank tells all others, and who stays silent is absent.
  std::string absent_ranks() {
    constexpr std::chrono::seconds kListen{2};
    constexpr int kTag = 1;
    std::vector<MPI_Request> requests(static_cast<std::size_t>(size_));
    for (int other = 0; other < size_; ++other)
      MPI_Isend(nullptr, 0, MPI_BYTE, other, kTag, reports_, &requests[other]);
    std::vector<bool> present(static_cast<std::size_t>(size_));
    for (const auto end = steady_clock::now() + kListen; steady_clock::now() < end;) {
      int found = 0;
      MPI_Status status;
      MPI_Iprobe(MPI_ANY_SOURCE, kTag, reports_, &found, &status);
      if (found != 0) {
        MPI_Recv(nullptr, 0, MPI_BYTE, status.MPI_SOURCE, kTag, reports_, MPI_STATUS_IGNORE);
        present[status.MPI_SOURCE] = true;
      }
      std::this_thread::yield();
    }
    std::string names;
    for (int other = 0; other < size_; ++other)
      if (!present[other]) names += (names.empty() ? "rank " : ", rank ") + std::to_string(other);
    return (names.empty() ? "a rank" : names) + " of " + std::to_string(size_);
  }

  MPI_Comm communicator_;
  MPI_Comm reports_ = MPI_COMM_NULL;
  bool owns_library_;
  bool watched_ = false;
  bool idle_ = false;
  std::chrono::milliseconds timeout_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace

std::unique_ptr<ControlPlane> make_mpi_plane(std::chrono::milliseconds timeout) {
  int provided = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  return std::make_unique<MpiPlane>(MPI_COMM_WORLD, true, timeout);
}

std::string mpi_library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  // "Open MPI v4.1.4, package: ..., ident: ...": what precedes the first comma says it all.
  const std::string whole(text, static_cast<std::size_t>(length));
  return whole.substr(0, whole.find(','));
}

}  // namespace moecal
