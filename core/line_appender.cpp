// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/observation.hpp"

namespace moecal {
namespace {

[[noreturn]] void fail(const std::string& attempt, const std::string& path) {
  throw Error{"could not " + attempt + " '" + path + "': " + std::strerror(errno) +
              "; lines written before are whole"};
}

// Cuts off what follows the last newline: the half line of a writer that died.
void cut_half_line(int descriptor, const std::string& path) {
  off_t end = ::lseek(descriptor, 0, SEEK_END);
  if (end < 0) fail("read", path);
  char last = 0;
  while (end > 0) {
    if (::pread(descriptor, &last, 1, end - 1) != 1) fail("read", path);
    if (last == '\n') break;
    --end;
  }
  if (::ftruncate(descriptor, end) != 0) fail("cut the half line of", path);
}

}  // namespace

LineAppender::LineAppender(const std::string& path)
    : path_{path},
      descriptor_{::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)} {
  if (descriptor_ < 0) fail("open", path);
  struct stat status {};
  if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode))
    cut_half_line(descriptor_, path);
}

LineAppender::~LineAppender() { ::close(descriptor_); }

void LineAppender::append(const std::string& line) {
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  const auto written = ::write(descriptor_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    if (written >= 0) errno = ENOSPC;  // a short write to a file means a full disk
    const int reason = errno;
    if (before >= 0 && ::ftruncate(descriptor_, before) != 0) errno = reason;
    errno = reason;
    fail("append to", path_);
  }
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail("flush", path_);
}

}  // namespace moecal
