import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useEffect } from 'react';
import { BrowserRouter, Route, Routes } from 'react-router';
import { AlarmsPage } from '@/features/alarms/AlarmsPage';
import { LoginPage } from '@/features/auth/LoginPage';
import { WardPage } from '@/features/ward/WardPage';
import { ApiError } from '@/lib/api/client';
import { useSession } from '@/lib/hooks';
import { Crash } from './Crash';
import { Layout } from './Layout';
import { NotFound } from './NotFound';
import { PatientRoute } from './PatientRoute';
import { theme } from './theme';
import { watch } from './watch';

/* What the server refused it will refuse again; what did not reach it may reach it now. */
const retry = (count: number, error: Error) =>
  count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500);

const queries = new QueryClient({ defaultOptions: { queries: { retry, staleTime: 2_000 } } });

function Pages() {
  const signedIn = useSession() !== null;
  useEffect(() => {
    if (signedIn) return watch();
    queries.clear(); /* the next person must not see what the last one asked for */
    return undefined;
  }, [signedIn]);
  if (!signedIn) return <LoginPage />;
  return (
    <Layout>
      <Routes>
        <Route path="/" element={<WardPage />} />
        <Route path="/alarms" element={<AlarmsPage />} />
        <Route path="/patients/:id" element={<PatientRoute />} />
        <Route path="*" element={<NotFound />} />
      </Routes>
    </Layout>
  );
}

/* The theme's variables are a static file (build/theme-variables.ts), for the sake of a strict CSP. */
export function App() {
  return (
    <MantineProvider theme={theme} defaultColorScheme="dark" withCssVariables={false} withGlobalClasses={false}>
      <Crash>
        <QueryClientProvider client={queries}>
          <BrowserRouter>
            <Pages />
          </BrowserRouter>
        </QueryClientProvider>
      </Crash>
    </MantineProvider>
  );
}
