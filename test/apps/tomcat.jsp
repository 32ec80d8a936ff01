<%@ page contentType="application/json" session="false" trimDirectiveWhitespaces="true"
    import="java.nio.file.Files, java.nio.file.Path, java.util.UUID, java.util.concurrent.atomic.AtomicLong" %>
<%!
  private static final UUID token = UUID.randomUUID();
  private static final AtomicLong counter = new AtomicLong();
%>
{"token": "<%= token %>", "counter": <%= counter.incrementAndGet() %>, "hostname": "<%= Files.readString(Path.of("/proc/sys/kernel/hostname")).trim() %>"}
